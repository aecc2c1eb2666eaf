--- Whether the build is green: in the status line, and as diagnostics.

local session = require("greenloop.session")
local text = require("greenloop.text")
local turns = require("greenloop.turn")

local M = {}

M.space = vim.api.nvim_create_namespace("greenloop")

---@type table<string, greenloop.Status> workspace → what is known of it
local standings = {}

local NOWHERE = { start = { line = 0, column = 0 }, ["end"] = { line = 0, column = 0 } }
local severities = { error = vim.diagnostic.severity.ERROR, warning = vim.diagnostic.severity.WARN }

local function diagnose(status)
  local workspace = session.workspaces[status.workspace]
  if not workspace then return end
  local found = vim.defaulttable()
  for _, problem in ipairs(status.problems or {}) do
    if problem.path then
      local buffer = vim.fn.bufadd(vim.fs.joinpath(workspace.root, problem.path))
      local range = problem.range or NOWHERE
      table.insert(found[buffer], {
        lnum = range.start.line,
        col = range.start.column,
        end_lnum = range["end"].line,
        end_col = range["end"].column,
        severity = severities[problem.severity] or vim.diagnostic.severity.INFO,
        message = problem.message,
        source = "greenloop",
        user_data = status.workspace,
      })
    end
  end
  for _, old in ipairs(vim.diagnostic.get(nil, { namespace = M.space })) do
    if old.user_data == status.workspace then _ = found[old.bufnr] end
  end
  for buffer, list in pairs(found) do vim.diagnostic.set(M.space, buffer, list) end
end

session.on("status/changed", function(params)
  standings[params.workspace] = params
  diagnose(params)
  turns.redraw()
end)

session.on("lost", function()
  standings = {}
  vim.diagnostic.reset(M.space)
  turns.redraw()
end)

--- A few words for the status line: "green", "2 errors", what a turn does. Empty while nothing is known.
function M.line()
  local turn = turns.current
  if turn and turn.running then return turn.stage .. " …" end
  -- what is no file, as the conversation, says how the project stands that was asked about last
  local known = turn and vim.bo.buftype ~= "" and turn.workspace or session.known(vim.api.nvim_buf_get_name(0))
  local standing = known and standings[known.workspace]
  if not standing then return "" end
  if standing.state == "fault" then return "no verdict: " .. (standing.note or "") end
  if standing.state ~= "red" then return standing.state end
  return standing.errors == 1 and "1 error" or ("%d errors"):format(standing.errors)
end

--- What the person sees of problems at the cursor and elsewhere in the buffer, those at the cursor first.
---@return greenloop.Problem[]? nil where there are none
function M.seen(root)
  local row = vim.api.nvim_win_get_cursor(0)[1] - 1
  local path = text.relative(root, vim.api.nvim_buf_get_name(0))
  local seen = {}
  for _, one in ipairs(vim.diagnostic.get(0, { severity = { min = vim.diagnostic.severity.WARN } })) do
    local start = { line = one.lnum, column = one.col }
    local stop = { line = one.end_lnum or one.lnum, column = one.end_col or one.col }
    local severity = one.severity == vim.diagnostic.severity.ERROR and "error" or "warning"
    local problem = { path = path, severity = severity, message = one.message, range = { start = start, ["end"] = stop } }
    table.insert(seen, start.line <= row and row <= stop.line and 1 or #seen + 1, problem)
  end
  return next(seen) and seen or nil
end

return M
