--- Turns: a request, what comes of it, and the conversation that it belongs to. One at a time.

local chat = require("greenloop.chat")
local session = require("greenloop.session")
local text = require("greenloop.text")

local M = {}

---@class greenloop.Turn
---@field id string
---@field workspace greenloop.WorkspaceState
---@field running boolean
---@field stage string what it does, in words
---@field suggestions table<string, greenloop.Proposed>
---@field order string[] ids, best first
---@field edits table<integer, integer[][]> buffer → its edits since the request: first line, line behind, line behind now
---@field request greenloop.Request
---@field thoughts table<integer, string> candidate → what the model thought, which is shown when it is asked for
---@field speaker? integer the candidate whose words are shown
---@field ended? greenloop.TurnEnded

---@type greenloop.Turn?
M.current = nil
---@type string the conversation that `reply` goes on with
M.conversation = ""
---@type fun(turn: greenloop.Turn) shows what came of a turn
M.show = function() end

--- The status line says something else now.
function M.redraw()
  vim.cmd.redrawstatus({ bang = true })
  vim.api.nvim_exec_autocmds("User", { pattern = "GreenloopStatus", modeline = false })
end

--- Remember how lines move, so that a hunk keeps its place while the person types on.
---@param turn greenloop.Turn
local function follow(turn)
  for buffer in pairs(text.buffers(turn.workspace.root)) do
    turn.edits[buffer] = {}
    vim.api.nvim_buf_attach(buffer, false, {
      on_lines = function(_, _, _, first, behind, behind_now)
        if M.current ~= turn then return true end
        table.insert(turn.edits[buffer], { first, behind, behind_now })
      end,
      on_reload = function() turn.edits[buffer] = {} end,
    })
  end
end

---@param turn greenloop.Turn
---@param line integer from 0, at the time of the request
function M.line_now(turn, buffer, line)
  for _, edit in ipairs(turn.edits[buffer] or {}) do
    if line >= edit[2] then line = line + edit[3] - edit[2] end
  end
  return line
end

---@param turn greenloop.Turn
---@param ended greenloop.TurnEnded
local function finish(turn, ended)
  turn.running, turn.ended, turn.order = false, ended, ended.order or {}
  if ended.fault then
    chat.fault(ended.fault)
  elseif ended.outcome == "cancelled" then
    chat.tell("cancelled; nothing was written")
  elseif (ended.summary or "") ~= "" then
    chat.say(ended.summary)
  end
  M.show(turn)
  M.redraw()
end

--- Without what is added when it is sent.
---@class greenloop.Request: greenloop.TurnStart
---@field path? string absolute: the file that it is about
---@field go_on? boolean in the conversation of the turn before

---@param request greenloop.Request
local function start(request, workspace)
  local inside = request.path and text.relative(workspace.root, request.path)
  local buffers, left_out = text.sent(workspace.root, function(buffer) return vim.bo[buffer].modified end)
  ---@type greenloop.Turn
  local turn = { id = "", workspace = workspace, running = true, stage = "starting", request = request }
  turn.suggestions, turn.order, turn.edits, turn.thoughts = {}, {}, {}, {}
  M.current = turn
  follow(turn)
  chat.open()
  chat.say("## " .. (request.prompt ~= "" and request.prompt or "fix the error"):gsub("%s*\n%s*", " "))
  for _, path in ipairs(left_out) do chat.say(path .. " is not UTF-8, so its unsaved text is not sent") end
  local words = vim.tbl_extend("force", request, { workspace = workspace.workspace })
  words.conversation = request.go_on and M.conversation or nil
  words.place = inside and vim.tbl_extend("force", request.place or {}, { path = inside }) or nil
  words.buffers, words.path, words.go_on = buffers, nil, nil
  session.request("turn/start", words, function(fault, started)
    if fault then return finish(turn, { turn = "", outcome = "failed", fault = fault }) end
    ---@cast started greenloop.TurnStarted
    turn.id, M.conversation = started.turn, started.conversation
    if turn.stage == "cancelling" then M.cancel() end
  end)
  M.redraw()
end

local asked_to_trust = {}

--- Ask once whether a workspace may be built, then go on either way.
local function ensure_trust(workspace, done)
  if workspace.trusted or asked_to_trust[workspace.workspace] then return done() end
  asked_to_trust[workspace.workspace] = true
  local prompt = ("Greenloop builds %s, in a sandbox, to check its suggestions. Trust it?"):format(workspace.root)
  vim.ui.select({ "Trust it", "Not now" }, { prompt = prompt }, function(choice)
    if choice == "Trust it" then return session.trust(workspace, true, done) end
    chat.say(workspace.root .. " is not trusted: nothing of it is built. `:Greenloop trust` changes this")
    done()
  end)
end

--- Ask for a change, or for a fix.
---@param request greenloop.Request
function M.ask(request)
  if M.current and M.current.running then return chat.warn("a request is being answered (`:Greenloop cancel` ends it)") end
  session.workspace(request.path or (vim.fn.getcwd() .. "/."), function(workspace)
    ensure_trust(workspace, function() start(request, workspace) end)
  end)
end

--- Ask what was asked last, on the text as it is now: its lines are where they have moved to.
function M.again()
  local turn = M.current
  if not turn then return chat.warn("nothing was asked yet") end
  local buffer = text.buffer(turn.request.path or "") or -1
  local function moved(part)
    if type(part) ~= "table" then return part end
    local now = vim.tbl_map(moved, part)
    now.line = now.line and M.line_now(turn, buffer, now.line)
    return now
  end
  M.ask(moved(turn.request))
end

--- Show what a reasoning model thought in the last request.
function M.thoughts()
  local thoughts = vim.spairs(M.current and M.current.thoughts or {})
  local told = vim.iter(thoughts):map(function(_, words) return vim.trim(words) end):totable()
  if not next(told) then return chat.warn("the model has told no thoughts") end
  chat.open()
  chat.say("### Thoughts\n\n" .. table.concat(told, "\n\n"))
end

function M.cancel()
  local turn = M.current
  if not turn or not turn.running then return chat.warn("nothing runs that could be cancelled") end
  turn.stage = "cancelling"
  if turn.id == "" then return end
  session.request("turn/cancel", { turn = turn.id }, function(fault)
    if fault and turn.running then chat.fault(fault) end
  end)
end

--- Call a function with the params of a notification, if it is about the turn that runs.
---@param hear_it fun(turn: greenloop.Turn, params: table)
local function hear(name, hear_it)
  session.on(name, function(params)
    local turn = M.current
    if turn and turn.running and params.turn == turn.id then hear_it(turn, params) end
  end)
end

hear("turn/progress", function(turn, params)
  turn.stage = params.text or params.stage
  if params.stage == "asking" or params.stage == "repairing" then turn.speaker = nil end
  chat.say("> " .. turn.stage)
  M.redraw()
end)

hear("turn/delta", function(turn, params)
  if params.thought then
    turn.thoughts[params.candidate] = (turn.thoughts[params.candidate] or "") .. params.text
    return
  end
  if turn.speaker == nil then
    turn.speaker = params.candidate
    chat.append("\n")
  end
  -- several may speak at the same time, and one is enough to read
  if turn.speaker == params.candidate then chat.append(params.text) end
end)

hear("turn/candidate", function(turn, params)
  local suggestion = params.suggestion
  turn.suggestions[suggestion.id] = suggestion
  turn.order = vim.tbl_filter(function(id) return id ~= suggestion.id end, turn.order)
  table.insert(turn.order, math.min(params.rank, #turn.order) + 1, suggestion.id)
  turn.stage = suggestion.label
  M.redraw()
end)

hear("turn/ended", finish)

session.on("lost", function(fault)
  local turn = M.current
  if turn and turn.running then finish(turn, { turn = turn.id, outcome = "failed", fault = fault }) end
end)

return M
