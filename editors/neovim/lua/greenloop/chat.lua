--- The conversation: a scratch buffer of Markdown in a split. It is only written to at its end.

local config = require("greenloop.config")
local session = require("greenloop.session")

local M = {}

local NAME = "greenloop://conversation"
M.AGAIN = "ask again on the new text, by `:Greenloop again`"

---@return integer buffer which is made where there is none
function M.buffer()
  local buffer = vim.fn.bufadd(NAME)
  if vim.api.nvim_buf_is_loaded(buffer) then return buffer end
  local options = vim.bo[buffer]
  options.buftype, options.bufhidden, options.swapfile = "nofile", "hide", false
  vim.fn.bufload(buffer)
  options.filetype = "markdown"
  return buffer
end

--- Show it, beside what the person is at; the cursor stays where it is.
function M.open()
  local buffer = M.buffer()
  if vim.fn.bufwinid(buffer) ~= -1 then return end
  local width = config.options.width
  width = math.max(20, width < 1 and math.floor(vim.o.columns * width) or width)
  local window = vim.api.nvim_open_win(buffer, false, { win = -1, split = "right", width = width })
  vim.wo[window].wrap, vim.wo[window].linebreak, vim.wo[window].number = true, true, false
end

--- Write at its end; windows that were at the end follow.
function M.append(text)
  local buffer = M.buffer()
  local last = vim.api.nvim_buf_line_count(buffer)
  local function at_end(window) return vim.api.nvim_win_get_cursor(window)[1] == last end
  local following = vim.tbl_filter(at_end, vim.fn.win_findbuf(buffer))
  vim.api.nvim_buf_set_text(buffer, -1, -1, -1, -1, vim.split(text, "\n", { plain = true }))
  last = vim.api.nvim_buf_line_count(buffer)
  for _, window in ipairs(following) do vim.api.nvim_win_set_cursor(window, { last, 0 }) end
end

--- Write a paragraph of its own.
function M.say(text)
  local buffer = M.buffer()
  local tail = vim.api.nvim_buf_get_lines(buffer, -3, -1, false)
  local last, above = tail[#tail], tail[#tail - 1] or ""
  M.append((last ~= "" and "\n\n" or above ~= "" and "\n" or "") .. text .. "\n")
end

--- Tell a person something: in the conversation, and as a message.
function M.tell(text, level)
  M.say(text)
  -- one that is longer than the line waits for a key; the conversation has all of it
  local line, room = "greenloop: " .. text:gsub("\n.*", ""), math.max(vim.v.echospace, 20)
  vim.notify(#line > room and vim.fn.strcharpart(line, 0, room - 1) .. "…" or line, level or vim.log.levels.INFO)
end

function M.warn(text) M.tell(text, vim.log.levels.WARN) end

--- Tell of a fault: what happened, and what to do.
---@param fault greenloop.Fault
function M.fault(fault)
  local way_out = fault.code == "stale" and M.AGAIN or fault.way_out or ""
  M.tell(fault.message .. (way_out ~= "" and (" (%s)"):format(way_out) or ""), vim.log.levels.ERROR)
end
session.on("faulted", M.fault)

return M
