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
---@field [1] string help
---@field [2] fun(rest: string, given: table)
---@field complete? fun(): string[]

--- Where the person is: the file, the line, the selection where a range was given.
---@param given? table
---@return { path?: string, line?: integer, selection?: greenloop.Range }
local function place(given)
  local path = vim.api.nvim_buf_get_name(0)
  if vim.bo.buftype ~= "" or path == "" then return {} end
  local selection
  if given and given.range > 0 then
    local last = vim.api.nvim_buf_get_lines(0, given.line2 - 1, given.line2, true)[1]
    selection = {
      start = { line = given.line1 - 1, column = 0 },
      ["end"] = { line = given.line2 - 1, column = #last },
    }
  end
  return { path = path, line = vim.api.nvim_win_get_cursor(0)[1] - 1, selection = selection }
end

--- Ask with the words given, or with those that the person types now.
---@param rest string
---@param request table
---@param question string
local function ask(rest, request, question)
  local function go(words)
    if words and vim.trim(words) ~= "" then
      turns.ask(vim.tbl_extend("force", request, { kind = "ask", prompt = words }))
    end
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

local function parts() return { "all", "file", "hunk" } end

---@type table<string, greenloop.Subcommand>
M.subcommands = {
  ask = {
    "ask for a change, at the cursor or of the lines of a range; words that do not follow are asked for",
    function(rest, given) ask(rest, place(given), "change") end,
  },
  project = {
    "ask for a change of the whole project",
    function(rest) ask(rest, { path = place().path, whole_project = true }, "in the whole project") end,
  },
  reply = {
    'go on with the conversation: "no, keep the old name"',
    function(rest, given) ask(rest, vim.tbl_extend("force", place(given), { go_on = true }), "reply") end,
  },
  fix = {
    "fix the error at the cursor, else the first one; words that follow say more",
    function(rest, given)
      local at = place(given)
      within(function(workspace)
        local request = { kind = "fix", prompt = rest, seen = status.seen(workspace.root) }
        turns.ask(vim.tbl_extend("force", at, request))
      end)
    end,
  },
  tool = {
    "run a domain tool: its name, then its arguments as NAME=VALUE; what is missing is asked for",
    function(rest)
      within(function(workspace) tools.run(workspace, rest) end)
    end,
    complete = function() return tools.names end,
  },
  accept = {
    "accept the suggestion: all of it, its hunks in this `file`, or the `hunk` under the cursor",
    function(rest) review.accept(part(rest)) end,
    complete = parts,
  },
  refuse = {
    "refuse the suggestion: all of it, its hunks in this `file`, or the `hunk` under the cursor",
    function(rest) review.refuse(part(rest)) end,
    complete = parts,
  },
  undo = { "take the last acceptance back, in all its files at once", function() apply.undo() end },
  next = { "go to the next change", function() review.go(1) end },
  previous = { "go to the change before", function() review.go(-1) end },
  other = { "show the suggestion that comes next", review.other },
  cancel = { "cancel the request", turns.cancel },
  chat = { "show the conversation", chat.open },
  history = { "choose an earlier conversation, and go on with it", function() within(tools.history) end },
  status = {
    "tell whether the build is green",
    function()
      within(function(workspace)
        session.call("status/get", { workspace = workspace.workspace }, function(now)
          local note = (now.note or "") ~= "" and (" (%s)"):format(now.note) or ""
          vim.notify(("greenloop: %s: %s, %d errors%s"):format(workspace.root, now.state, now.errors, note))
        end)
      end)
    end,
  },
  trust = {
    "allow this workspace to be built, in the sandbox; `trust no` takes it back",
    function(rest)
      within(function(workspace)
        session.trust(workspace, rest ~= "no", function()
          chat.tell(("%s is %s"):format(workspace.root, workspace.trusted and "trusted" or "not trusted"))
        end)
      end)
    end,
    complete = function() return { "yes", "no" } end,
  },
}

---@return string[]
local function names()
  local found = vim.tbl_keys(M.subcommands)
  table.sort(found)
  return found
end

---@param given table what a user command gets
function M.run(given)
  if vim.fn.exists("#greenloop") == 0 then require("greenloop").setup() end
  local name, rest = vim.trim(given.args):match("^(%S*)%s*(.*)$")
  local found = M.subcommands[name == "" and "chat" or name]
  if found then return found[2](rest, given) end
  local words = ("greenloop: there is no command %q; there are: %s"):format(name, table.concat(names(), ", "))
  vim.notify(words, vim.log.levels.ERROR)
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local found = M.subcommands[line:match("Greenloop%s+(%S+)%s") or ""]
  local words = found and (found.complete and found.complete() or {}) or names()
  return vim.tbl_filter(function(word) return vim.startswith(word, lead) end, words)
end

return M
