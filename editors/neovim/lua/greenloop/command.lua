--- `:Greenloop`: its subcommands, each with its help and its completion.

local apply = require("greenloop.apply")
local chat = require("greenloop.chat")
local review = require("greenloop.review")
local session = require("greenloop.session")
local status = require("greenloop.status")
local text = require("greenloop.text")
local tools = require("greenloop.tools")
local turns = require("greenloop.turn")

local M = {}

---@class greenloop.Subcommand
---@field [1] fun(rest: string, given: table)
---@field [2] string
---@field [3]? string[]

--- Where the person is: the file, the line, the selection where a range was given.
---@return { path?: string, place?: greenloop.Place }
local function place(given)
  local path = vim.api.nvim_buf_get_name(0)
  if vim.bo.buftype ~= "" or path == "" then return {} end
  local at = { cursor = { line = vim.api.nvim_win_get_cursor(0)[1] - 1, column = 0 } }
  if given and given.range > 0 then
    local stop = { line = given.line2 - 1, column = #vim.fn.getline(given.line2) }
    at.selection = { start = { line = given.line1 - 1, column = 0 }, ["end"] = stop }
  end
  return { path = path, place = at }
end

--- Ask with the words given, or with those that the person types now.
local function ask(rest, request, question)
  local function go(words)
    if vim.trim(words or "") == "" then return end
    turns.ask(vim.tbl_extend("force", request, { kind = "ask", prompt = words }))
  end
  if rest ~= "" then return go(rest) end
  vim.ui.input({ prompt = "Greenloop, " .. question .. ": " }, go)
end

--- Call a function with the workspace of the current file, or of the working directory.
---@param act fun(workspace: greenloop.WorkspaceState)
local function within(act) session.workspace(place().path or (vim.fn.getcwd() .. "/."), act) end

---@return string[]? hunks that `file` and `hunk` stand for; nil for all
local function part(rest)
  local shown = review.shown
  if rest == "hunk" then return review.here() or {} end
  if rest ~= "file" or not shown then return nil end
  return review.left(text.relative(shown.turn.workspace.root, vim.api.nvim_buf_get_name(0)) or "")
end

local PARTS = { "all", "file", "hunk" }

local function fix(rest, given)
  local at = place(given)
  within(function(workspace)
    turns.ask(vim.tbl_extend("force", at, { kind = "fix", prompt = rest, seen = status.seen(workspace.root) }))
  end)
end

local function tell_status(workspace)
  session.call("status/get", { workspace = workspace.workspace }, function(now)
    local note = (now.note or "") ~= "" and (" (%s)"):format(now.note) or ""
    vim.notify(("greenloop: %s: %s, %d errors%s"):format(workspace.root, now.state, now.errors, note))
  end)
end

local function trust(rest)
  within(function(workspace)
    session.trust(workspace, rest ~= "no", function()
      chat.tell(("%s is %s"):format(workspace.root, workspace.trusted and "trusted" or "not trusted"))
    end)
  end)
end

local function change(rest, given) ask(rest, place(given), "change") end
local function project(rest) ask(rest, { path = place().path, whole_project = true }, "in the whole project") end
local function reply(rest, given) ask(rest, vim.tbl_extend("force", place(given), { go_on = true }), "reply") end
local function tool(rest) within(function(workspace) tools.run(workspace, rest) end) end
local DECIDE = "the suggestion: all of it, its hunks in this `file`, or the `hunk` under the cursor"

---@type table<string, greenloop.Subcommand> name → what it does, its help, what completes it
M.subcommands = {
  again = { turns.again, "ask what was asked last, on the text as it is now" },
  ask = { change, "ask for a change, at the cursor or of the lines of a range; words that do not follow are asked for" },
  project = { project, "ask for a change of the whole project" },
  reply = { reply, 'go on with the conversation: "no, keep the old name"' },
  fix = { fix, "fix the error at the cursor, else the first one; words that follow say more" },
  thoughts = { turns.thoughts, "show what a reasoning model thought in the last request" },
  tool = { tool, 'run a domain tool: its name, NAME=VALUE or NAME="…" for each argument; missing ones are asked for' },
  accept = { function(rest) review.accept(part(rest)) end, "accept " .. DECIDE, PARTS },
  refuse = { function(rest) review.refuse(part(rest)) end, "refuse " .. DECIDE, PARTS },
  undo = { function() apply.undo() end, "take the last acceptance back, in all its files at once" },
  next = { function() review.go(1) end, "go to the next change" },
  previous = { function() review.go(-1) end, "go to the change before" },
  other = { review.other, "show the suggestion that comes next" },
  cancel = { turns.cancel, "cancel the request" },
  chat = { chat.open, "show the conversation" },
  history = { function() within(tools.history) end, "choose an earlier conversation, and go on with it" },
  status = { function() within(tell_status) end, "tell whether the build is green" },
  trust = { trust, "allow this workspace to be built, in the sandbox; `trust no` takes it back", { "yes", "no" } },
}

local function names() return vim.iter(vim.spairs(M.subcommands)):map(function(name) return name end):totable() end

function M.run(given)
  if vim.fn.exists("#greenloop") == 0 then require("greenloop").setup() end
  local name, rest = vim.trim(given.args):match("^(%S*)%s*(.*)$")
  local found = M.subcommands[name == "" and "chat" or name]
  if found then return found[1](rest, given) end
  local words = ("greenloop: there is no command %q; there are: %s"):format(name, table.concat(names(), ", "))
  vim.notify(words, vim.log.levels.ERROR)
end

function M.complete(lead, line)
  local found = M.subcommands[line:match("Greenloop%s+(%S+)%s") or ""]
  M.subcommands.tool[3] = tools.names
  local first = line:find("Greenloop%s+%S+%s+%S*$")
  local words = not found and names() or first and found[3] or {}
  return vim.tbl_filter(function(word) return vim.startswith(word, lead) end, words)
end

return M
