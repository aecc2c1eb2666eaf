--- `:Greenloop`: its subcommands, each with its help and its completion.

local chat = require("greenloop.chat")
local session = require("greenloop.session")
local status = require("greenloop.status")
local text = require("greenloop.text")

local turns = require("greenloop.turn")
local review = require("greenloop.review")
local apply = require("greenloop.apply")
local tools = require("greenloop.tools")

local M = {}

---@class greenloop.Subcommand
---@field help string
---@field run fun(rest: string, given: vim.api.keyset.create_user_command.command_args)
---@field complete? fun(): string[]

--- Where the person is: the file, the line, the selection where a range was given.
---@param given table
---@return { path?: string, line?: integer, selection?: greenloop.Range }
local function place(given)
  local path = vim.api.nvim_buf_get_name(0)
  if vim.bo.buftype ~= "" or path == "" then
    return {}
  end
  local selection
  if given.range and given.range > 0 then
    selection = { start = { line = given.line1 - 1, column = 0 }, ["end"] = { line = given.line2, column = 0 } }
    if given.line2 == vim.api.nvim_buf_line_count(0) then
      local last = vim.api.nvim_buf_get_lines(0, -2, -1, true)[1]
      selection["end"] = { line = given.line2 - 1, column = #last }
    end
  end
  return { path = path, line = vim.api.nvim_win_get_cursor(0)[1] - 1, selection = selection }
end

--- Ask with the words given, or with those that the person types now.
---@param rest string
---@param request table
---@param question string
local function ask(rest, request, question)
  if rest ~= "" then
    return turns.ask(vim.tbl_extend("force", request, { kind = "ask", prompt = rest }))
  end
  vim.ui.input({ prompt = question }, function(words)
    if words and vim.trim(words) ~= "" then
      turns.ask(vim.tbl_extend("force", request, { kind = "ask", prompt = words }))
    end
  end)
end

--- Call a function with the workspace of the current file, or of the working directory.
---@param act fun(workspace: greenloop.WorkspaceState)
local function within(act)
  local path = place({}).path or (vim.fn.getcwd() .. "/.")
  session.workspace(path, function(fault, workspace)
    if fault or not workspace then
      return chat.fault(assert(fault))
    end
    act(workspace)
  end)
end

local PARTS = { "all", "file", "hunk" }

---@param rest string
---@return string[]? hunks
local function part(rest)
  if rest == "file" then
    local shown = review.shown
    return shown and review.of_file(text.relative(shown.turn.workspace.root, vim.api.nvim_buf_get_name(0)) or "")
  elseif rest == "hunk" then
    return review.here() or {}
  end
end

---@type table<string, greenloop.Subcommand>
M.subcommands = {
  ask = {
    help = "ask for a change, at the cursor or of the lines of a range; words that do not follow are asked for",
    run = function(rest, given)
      ask(rest, place(given), "Greenloop, change: ")
    end,
  },
  project = {
    help = "ask for a change of the whole project",
    run = function(rest, given)
      ask(rest, { path = place(given).path, whole_project = true }, "Greenloop, in the whole project: ")
    end,
  },
  reply = {
    help = 'go on with the conversation: "no, keep the old name"',
    run = function(rest, given)
      ask(rest, vim.tbl_extend("force", place(given), { go_on = true }), "Greenloop, reply: ")
    end,
  },
  fix = {
    help = "fix the error at the cursor, else the first one; words that follow say more",
    run = function(rest, given)
      local at = place(given)
      within(function(workspace)
        turns.ask(
          vim.tbl_extend("force", at, { kind = "fix", prompt = rest, seen = status.seen(workspace.root) })
        )
      end)
    end,
  },
  tool = {
    help = "run a domain tool: its name, then its arguments as NAME=VALUE; what is missing is asked for",
    run = function(rest)
      within(function(workspace)
        tools.run(workspace, rest)
      end)
    end,
    complete = function()
      return tools.names
    end,
  },
  accept = {
    help = "accept the suggestion: all of it, its hunks in this file, or the hunk under the cursor",
    run = function(rest)
      review.accept(part(rest))
    end,
    complete = function()
      return PARTS
    end,
  },
  refuse = {
    help = "refuse the suggestion: all of it, its hunks in this file, or the hunk under the cursor",
    run = function(rest)
      review.refuse(part(rest))
    end,
    complete = function()
      return PARTS
    end,
  },
  undo = {
    help = "take the last acceptance back, in all its files at once",
    run = function()
      apply.undo()
    end,
  },
  next = {
    help = "go to the next change",
    run = function()
      review.go(1)
    end,
  },
  previous = {
    help = "go to the change before",
    run = function()
      review.go(-1)
    end,
  },
  other = { help = "show the suggestion that comes next", run = review.other },
  cancel = { help = "cancel the request", run = turns.cancel },
  chat = {
    help = "show the conversation",
    run = function()
      chat.open()
    end,
  },
  history = {
    help = "choose an earlier conversation, and go on with it",
    run = function()
      within(tools.history)
    end,
  },
  explain = {
    help = "show what exactly was sent to the model",
    run = function()
      tools.explain(turns.current)
    end,
  },
  status = {
    help = "tell whether the build is green",
    run = function()
      within(function(workspace)
        session.request("status/get", { workspace = workspace.workspace }, function(fault, now)
          if fault then
            return chat.fault(fault)
          end
          local note = now.note ~= "" and (" (%s)"):format(now.note) or ""
          vim.notify(("greenloop: %s: %s, %d errors%s"):format(workspace.root, now.state, now.errors, note))
        end)
      end)
    end,
  },
  trust = {
    help = "allow this workspace to be built, in the sandbox; `trust no` takes it back",
    run = function(rest)
      within(function(workspace)
        session.trust(workspace, rest ~= "no", function(fault)
          if fault then
            return chat.fault(fault)
          end
          chat.tell(("%s is %s"):format(workspace.root, workspace.trusted and "trusted" or "not trusted"))
        end)
      end)
    end,
    complete = function()
      return { "yes", "no" }
    end,
  },
}

---@param given table what a user command gets
function M.run(given)
  if vim.fn.exists("#greenloop") == 0 then
    require("greenloop").setup()
  end
  local name, rest = vim.trim(given.args):match("^(%S*)%s*(.*)$")
  local found = M.subcommands[name == "" and "chat" or name]
  if not found then
    local names = vim.tbl_keys(M.subcommands)
    table.sort(names)
    return vim.notify(
      ("greenloop: there is no command %q; there are: %s"):format(name, table.concat(names, ", ")),
      vim.log.levels.ERROR
    )
  end
  found.run(rest, given)
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local name = line:match("Greenloop%s+(%S+)%s")
  local words = vim.tbl_keys(M.subcommands)
  if name then
    local found = M.subcommands[name]
    words = found and found.complete and found.complete() or {}
  end
  local fitting = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, words)
  table.sort(fitting)
  return fitting
end

return M
