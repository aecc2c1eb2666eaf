--- Whether the build is green: in the status line, and as diagnostics.

local session = require("greenloop.session")
local text = require("greenloop.text")
local turns = require("greenloop.turn")

local M = {}

M.space = vim.api.nvim_create_namespace("greenloop")

---@type table<string, greenloop.Status> workspace → what is known of it
local standings = {}
---@type table<string, table<integer, true>> workspace → buffers that have diagnostics
local shown = {}

local NOWHERE = { start = { line = 0, column = 0 }, ["end"] = { line = 0, column = 0 } }
local severities = { error = vim.diagnostic.severity.ERROR, warning = vim.diagnostic.severity.WARN }

---@param status greenloop.Status
local function diagnose(status)
  local workspace = session.workspaces[status.workspace]
  if not workspace then return end
  local found = {}
  for _, problem in ipairs(status.problems or {}) do
    if problem.path then
      local buffer = vim.fn.bufadd(text.absolute(workspace.root, problem.path))
      local range = problem.range or NOWHERE
      found[buffer] = found[buffer] or {}
      table.insert(found[buffer], {
        lnum = range.start.line,
        col = range.start.column,
        end_lnum = range["end"].line,
        end_col = range["end"].column,
        severity = severities[problem.severity] or vim.diagnostic.severity.INFO,
        message = problem.message,
        source = "greenloop",
      })
    end
  end
  for buffer in pairs(shown[status.workspace] or {}) do
    if not found[buffer] and vim.api.nvim_buf_is_valid(buffer) then vim.diagnostic.reset(M.space, buffer) end
  end
  shown[status.workspace] = {}
  for buffer, list in pairs(found) do
    shown[status.workspace][buffer] = true
    vim.diagnostic.set(M.space, buffer, list)
  end
end

session.on("status/changed", function(params)
  standings[params.workspace] = params
  diagnose(params)
  vim.cmd.redrawstatus({ bang = true })
  vim.api.nvim_exec_autocmds("User", { pattern = "GreenloopStatus", modeline = false })
end)

---@return greenloop.Status? of the workspace of the current buffer, else of any
function M.standing()
  local known = session.known(vim.api.nvim_buf_get_name(0))
  return known and standings[known.workspace] or standings[next(standings) or ""]
end

--- A few words for the status line: "green", "2 errors", what a turn does. Empty while nothing is known.
---@return string
function M.line()
  local turn = turns.current
  if turn and turn.running then return turn.stage .. " …" end
  local standing = M.standing()
  if not standing then
    return ""
  elseif standing.state == "red" then
    return standing.errors == 1 and "1 error" or ("%d errors"):format(standing.errors)
  elseif standing.state == "fault" then
    return "no verdict: " .. (standing.note or "")
  end
  return standing.state
end

--- What the person sees of problems at the cursor and elsewhere in the buffer, those at the cursor first.
---@param root string
---@return greenloop.Problem[]
function M.seen(root)
  local row = vim.api.nvim_win_get_cursor(0)[1] - 1
  local path = text.relative(root, vim.api.nvim_buf_get_name(0))
  local found = vim.diagnostic.get(0, { severity = { min = vim.diagnostic.severity.WARN } })
  local seen = {}
  for _, one in ipairs(found) do
    local problem = {
      path = path,
      severity = one.severity == vim.diagnostic.severity.ERROR and "error" or "warning",
      message = one.message,
      range = {
        start = { line = one.lnum, column = one.col },
        ["end"] = { line = one.end_lnum or one.lnum, column = one.end_col or one.col },
      },
    }
    local at_cursor = one.lnum <= row and row <= (one.end_lnum or one.lnum)
    table.insert(seen, at_cursor and 1 or #seen + 1, problem)
  end
  return seen
end

return M
