--- Texts of files: as a buffer would write them, as they lie on the disk, and put into a buffer. Paths are absolute.

local M = {}

local function holds_a_file(buffer) return vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buftype == "" end

---@return integer? buffer that holds it, loaded
function M.buffer(path)
  return vim.iter(vim.api.nvim_list_bufs()):find(function(buffer)
    return holds_a_file(buffer) and vim.api.nvim_buf_get_name(buffer) == path
  end)
end

---@return string? relative; nil where it lies elsewhere, or is version control's own, which the sidecar refuses
function M.relative(root, path)
  if not vim.startswith(path, root .. "/") then return nil end
  local parts = vim.split(path:sub(#root + 2):lower(), "/")
  if not vim.tbl_contains(parts, ".git") and not vim.tbl_contains(parts, ".hg") then return path:sub(#root + 2) end
end

---@return table<integer, string> loaded buffers of files below it → their paths in it
function M.buffers(root)
  local found = {}
  for _, buffer in ipairs(vim.tbl_filter(holds_a_file, vim.api.nvim_list_bufs())) do
    found[buffer] = M.relative(root, vim.api.nvim_buf_get_name(buffer))
  end
  return found
end

local function line_end(buffer) return ({ dos = "\r\n", mac = "\r", unix = "\n" })[vim.bo[buffer].fileformat] end

--- What the buffer would write: line ends, the last of them, and a byte order mark included.
---@param as_is? boolean without the last line end that Neovim would mend
function M.of(buffer, as_is)
  local options = vim.bo[buffer]
  local stop = line_end(buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, true)
  if #lines == 1 and lines[1] == "" then
    -- one empty line, or none at all
    if vim.api.nvim_buf_call(buffer, vim.fn.wordcount).bytes == 0 then return "" end
  end
  local text = table.concat(lines, stop)
  -- Neovim mends a missing last line end when it writes; a buffer that needs no writing keeps it missing
  local mends = options.modified and options.fixendofline and not options.binary and not as_is
  if options.endofline or mends then text = text .. stop end
  return (options.bomb and "\239\187\191" or "") .. text
end

---@return string? text; nil where there is no file
function M.on_disk(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

---@return string? error
function M.write(path, text)
  vim.fn.mkdir(vim.fs.dirname(path), "p")
  local file, problem = io.open(path, "wb")
  if not file then return problem end
  local written, why = file:write(text)
  local closed, later = file:close()
  if not written or not closed then return why or later end
end

---@return string[] lines without their ends
function M.lines(text, stop)
  if text == "" then return {} end
  local lines = vim.split(text, stop, { plain = true })
  if lines[#lines] == "" then lines[#lines] = nil end
  return lines
end

--- Have the buffer hold another text, as one step of undo. `hunks` say which lines change, so that marks keep their
--- place; where they do not lead to the text, or are none, the lines between the first and the last difference change.
---@param hunks? greenloop.Hunk[]
---@return boolean whether it holds the text now
function M.put(buffer, text, hunks)
  local options = vim.bo[buffer]
  local stop = line_end(buffer)
  options.undolevels = options.undolevels -- what came before is a step of its own
  for at = #(hunks or {}), 1, -1 do
    local hunk = assert(hunks)[at]
    vim.api.nvim_buf_set_lines(buffer, hunk.start, hunk["end"], false, M.lines(hunk.new, stop))
  end
  local bare = options.bomb and text:gsub("^\239\187\191", "") or text
  options.endofline = bare == "" or vim.endswith(bare, stop)
  local old, new = vim.api.nvim_buf_get_lines(buffer, 0, -1, true), M.lines(bare, stop)
  local first, last = 1, 0
  while first <= #old and first <= #new and old[first] == new[first] do
    first = first + 1
  end
  while last < #old - first + 1 and last < #new - first + 1 and old[#old - last] == new[#new - last] do
    last = last + 1
  end
  if first <= #old - last or first <= #new - last then
    vim.api.nvim_buf_set_lines(buffer, first - 1, #old - last, true, vim.list_slice(new, first, #new - last))
  end
  if M.of(buffer, true) ~= text then
    -- a buffer without any line takes an empty one only beside another
    vim.api.nvim_buf_set_lines(buffer, 0, -1, true, vim.list_extend({ "" }, new))
    vim.api.nvim_buf_set_lines(buffer, 0, 1, true, {})
  end
  return M.of(buffer, true) == text
end

--- Save a buffer whose text was put there. Nothing that would change the text on its way is run.
---@return string? error
function M.save(buffer)
  local mends = vim.bo[buffer].fixendofline
  vim.bo[buffer].fixendofline = false
  local saved, problem = pcall(vim.api.nvim_buf_call, buffer, function()
    vim.cmd("silent keepalt noautocmd lockmarks write!")
  end)
  vim.bo[buffer].fixendofline = mends
  if not saved then return tostring(problem) end
  local path = vim.api.nvim_buf_get_name(buffer)
  if M.on_disk(path) ~= M.of(buffer, true) then return path .. " cannot hold the new text in its encoding" end
  vim.api.nvim_exec_autocmds("BufWritePost", { buffer = buffer, modeline = false })
end

--- Buffers of a workspace as the sidecar is sent them.
---@param wanted fun(buffer: integer, path: string): boolean
---@return greenloop.Buffer[]? found nil where there are none
---@return string[] left_out paths of those that are not UTF-8: of these the sidecar cannot be told
function M.sent(root, wanted)
  local found, left_out = {}, {}
  for buffer, path in vim.spairs(M.buffers(root)) do
    local can_be = vim.tbl_contains({ "", "utf-8", "utf8" }, vim.bo[buffer].fileencoding)
    if wanted(buffer, path) then
      table.insert(can_be and found or left_out, can_be and { path = path, text = M.of(buffer) } or path)
    end
  end
  return next(found) and found, left_out
end

return M
