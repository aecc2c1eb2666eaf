--- A suggestion before the person: in the conversation as a diff, in its files as marks, and as a quickfix list.

local apply = require("greenloop.apply")
local chat = require("greenloop.chat")
local config = require("greenloop.config")
local session = require("greenloop.session")
local text = require("greenloop.text")
local turns = require("greenloop.turn")

local M = {}

local space = vim.api.nvim_create_namespace("greenloop.review")
local MOST_LINES = 40 -- of one hunk that are drawn; the conversation has them all

---@class greenloop.Review
---@field turn greenloop.Turn
---@field suggestion greenloop.Proposed
---@field decided table<string, true> hunks that the person has decided on
---@field marks table<integer, table<integer, string[]>> buffer → mark → hunks
---@field mapped table<integer, table<string, table|false>> buffer → key → the person's own map of it in this buffer
---@field list? integer the quickfix list
---@field index? integer where the person is in it

---@type greenloop.Review?
M.shown = nil

for name, link in pairs({ Delete = "DiffDelete", Add = "DiffAdd", Badge = "Comment" }) do
  vim.api.nvim_set_hl(0, "Greenloop" .. name, { default = true, link = link })
end

---@type table<string, fun()> name of a key → what it does
local actions = {
  accept = function() M.accept(M.here()) end,
  refuse = function() M.refuse(M.here()) end,
  accept_all = function() M.accept() end,
  refuse_all = function() M.refuse() end,
  next = function() M.go(1) end,
  previous = function() M.go(-1) end,
}

---@param review greenloop.Review
local function map(review, buffer)
  if review.mapped[buffer] then return end
  review.mapped[buffer] = {}
  for name, act in pairs(actions) do
    local key, desc = config.options.keys[name], "Greenloop: " .. name:gsub("_", " ")
    if key ~= "" then
      local own = vim.api.nvim_buf_call(buffer, function() return vim.fn.maparg(key, "n", false, true) end)
      review.mapped[buffer][key] = own.buffer == 1 and own
      vim.keymap.set("n", key, act, { buffer = buffer, nowait = true, desc = desc })
    end
  end
end

---@param review greenloop.Review
---@param file greenloop.FileChange
---@return greenloop.Hunk[] those that are undecided; a file without any, as where only its name changes, stands for one
local function undecided(review, file)
  local whole = { id = file.path, start = 0, ["end"] = 0, old = "", new = "", new_start = 0 }
  local hunks = next(file.hunks or {}) and file.hunks or { whole }
  return vim.tbl_filter(function(hunk) return not review.decided[hunk.id] end, hunks)
end

local function new_lines(hunk) return text.lines((hunk.new:gsub("\r", "")), "\n") end

---@param review greenloop.Review
---@param file greenloop.FileChange
local function mark(review, buffer, file, hunk)
  local count = vim.api.nvim_buf_line_count(buffer)
  local first = math.min(turns.line_now(review.turn, buffer, hunk.start), count)
  local behind = math.min(first + hunk["end"] - hunk.start, count)
  local new = new_lines(hunk)
  local function drawn(line) return { { line == "" and " " or line, "GreenloopAdd" } } end
  local lines = vim.tbl_map(drawn, vim.list_slice(new, 1, MOST_LINES))
  local more = { { ("… and %d lines more"):format(#new - MOST_LINES), "GreenloopBadge" } }
  if #new > MOST_LINES then table.insert(lines, more) end
  local what = file.kind == "delete" and "this file goes" or review.suggestion.label
  if file.new_path then what = ("becomes %s · %s"):format(file.new_path, what) end
  local words = ("  %s · %s accepts, %s refuses"):format(what, config.options.keys.accept, config.options.keys.refuse)
  local above = behind == first and first < count
  local added = { virt_lines = lines, virt_lines_above = above }
  local at = vim.api.nvim_buf_set_extmark(buffer, space, above and first or behind - 1, 0, added)
  local badge = vim.api.nvim_buf_set_extmark(buffer, space, math.min(first, count - 1), 0, {
    end_row = behind,
    hl_group = behind > first and "GreenloopDelete" or nil,
    hl_eol = true,
    virt_text = { { words, "GreenloopBadge" } },
  })
  -- a file gets its new name with all of its hunks
  local ids = file.new_path and M.left(file.path) or { hunk.id }
  review.marks[buffer][at], review.marks[buffer][badge] = ids, ids
end

--- Draw what is not decided in the buffers that hold the files.
local function draw()
  local review = M.shown
  for _, file in ipairs(review and review.suggestion.files or {}) do
    local buffer = review and text.buffer(vim.fs.joinpath(review.turn.workspace.root, file.path))
    if review and buffer then
      vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
      review.marks[buffer] = {}
      map(review, buffer)
      for _, hunk in ipairs(undecided(review, file)) do mark(review, buffer, file, hunk) end
    end
  end
end

---@param review greenloop.Review
local function list(review)
  local items = {}
  for _, file in ipairs(review.suggestion.files) do
    local path = vim.fs.joinpath(review.turn.workspace.root, file.path)
    for _, hunk in ipairs(undecided(review, file)) do
      local place = { filename = path, lnum = turns.line_now(review.turn, text.buffer(path) or -1, hunk.start) + 1 }
      if file.kind == "create" then
        -- there is no file to go to yet; the conversation shows it
        place = { bufnr = chat.buffer(), lnum = vim.api.nvim_buf_line_count(chat.buffer()) }
      end
      local name = file.path .. (file.new_path and " → " .. file.new_path or "")
      local what = ("%s %s [%s] %s"):format(file.kind, name, review.suggestion.label, new_lines(hunk)[1] or "")
      table.insert(items, vim.tbl_extend("error", place, { text = vim.trim(what), type = "I" }))
    end
  end
  local fresh = not review.list or vim.fn.getqflist({ id = review.list, all = 0 }).id == 0
  vim.fn.setqflist({}, fresh and " " or "r", { title = "Greenloop: " .. review.suggestion.label, items = items, id = review.list })
  review.list = review.list or vim.fn.getqflist({ id = 0 }).id
  return #items
end

--- Take marks and keys away.
function M.close()
  for buffer, keys in pairs(M.shown and M.shown.mapped or {}) do
    if vim.api.nvim_buf_is_valid(buffer) then
      vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
      for key, own in pairs(keys) do
        pcall(vim.keymap.del, "n", key, { buffer = buffer })
        if own then vim.api.nvim_buf_call(buffer, function() vim.fn.mapset("n", false, own) end) end
      end
    end
  end
  M.shown = nil
end

--- Draw again what is left; where nothing is, the review is over.
local function refresh()
  if list(assert(M.shown)) == 0 then return M.close() end
  map(M.shown, chat.buffer())
  draw()
end

--- Let hunks be decided on again, where the person has asked for nothing else since.
local function reopen(review, hunks)
  for _, id in ipairs(hunks) do review.decided[id] = nil end
  if review.turn ~= turns.current then return end
  M.close()
  M.shown, review.mapped = review, {}
  refresh()
end

--- Show a suggestion of a turn that has ended.
---@param turn greenloop.Turn
---@param suggestion greenloop.Proposed
function M.show(turn, suggestion)
  M.close()
  M.shown = { turn = turn, suggestion = suggestion, decided = {}, marks = {}, mapped = {} }
  local said = { ("### %s%s"):format(suggestion.label, suggestion.fixed and ", and the error is fixed" or "") }
  for _, flag in ipairs(suggestion.flags or {}) do table.insert(said, "- mistrust it: " .. flag) end
  for _, problem in ipairs(suggestion.problems or {}) do
    local line = problem.range and (":" .. problem.range.start.line + 1) or ""
    table.insert(said, ("- %s%s: %s"):format(problem.path or "", line, (problem.message:gsub("\n", " "))))
  end
  chat.say(table.concat(said, "\n"))
  chat.say("```diff\n" .. vim.trim(suggestion.diff:gsub("\r", "")) .. "\n```")
  refresh()
  session.call("suggestion/shown", { turn = turn.id, suggestion = suggestion.id })
end

--- The hunks under the cursor; nil, which means all of them, in the conversation.
---@return string[]?
function M.here()
  local buffer = vim.api.nvim_get_current_buf()
  local marks = M.shown and M.shown.marks[buffer]
  if not marks then return nil end
  local row = vim.api.nvim_win_get_cursor(0)[1] - 1
  local found = vim.api.nvim_buf_get_extmarks(buffer, space, { row, 0 }, { row, -1 }, { overlap = true })
  return found[1] and marks[found[1][1]] or {}
end

--- All undecided hunks: of one file, or of the whole suggestion.
---@return string[]
function M.left(path)
  local review = assert(M.shown)
  local files = vim.iter(review.suggestion.files):filter(function(file) return not path or file.path == path end)
  local hunks = files:map(function(file) return undecided(review, file) end):flatten()
  return hunks:map(function(hunk) return hunk.id end):totable()
end

--- Accept or refuse, and draw what is left then.
---@param hunks? string[] nil: all that is left
---@param act fun(review: greenloop.Review, wanted?: string[], over: fun(decided: boolean), back: fun())
local function decide(hunks, done, act)
  local review = M.shown
  if not review then return chat.warn("there is no suggestion to decide on") end
  local wanted = hunks or M.left()
  if not next(wanted) then return chat.warn("there is no change under the cursor") end
  -- all of it is said by naming no hunk
  act(review, (hunks or next(review.decided)) and wanted or nil, function(decided)
    for _, id in ipairs(decided and wanted or {}) do review.decided[id] = true end
    if M.shown == review then refresh() end
    if done then done() end
  end, function() reopen(review, wanted) end)
end

--- Accept hunks, or all that is left; refusing is like it.
---@param hunks? string[]
function M.accept(hunks, done)
  decide(hunks, done, function(review, ...) apply.accept(review.turn, review.suggestion, ...) end)
end

---@param hunks? string[]
function M.refuse(hunks, done)
  decide(hunks, done, function(review, wanted, over)
    local words = { turn = review.turn.id, suggestion = review.suggestion.id, hunks = wanted }
    session.call("suggestion/refuse", words, function()
      chat.say(wanted and "Refused in part." or "Refused.")
      over(true)
    end, function() over(false) end)
  end)
end

--- Go to the next change, or the one before, over all files.
---@param step integer 1 or -1
function M.go(step)
  local review = M.shown
  local count = review and list(review) or 0
  if not review or count == 0 then return chat.warn("there is no change to go to") end
  review.index = ((review.index or (step > 0 and 0 or 1)) - 1 + step) % count + 1
  vim.cmd(("silent %dchistory | silent cc %d"):format(vim.fn.getqflist({ id = review.list, nr = 0 }).nr, review.index))
end

--- Show the suggestion that comes next.
function M.other()
  local review = M.shown
  local order = review and review.turn.order or {}
  if not review or #order < 2 then return chat.warn("there is no other suggestion") end
  local at = vim.fn.index(order, review.suggestion.id) + 1
  M.show(review.turn, review.turn.suggestions[order[at % #order + 1]])
end

turns.show = function(turn)
  local best = turn.suggestions[turn.order[1] or ""]
  if best then return M.show(turn, best) end
  local words = turn.ended and turn.ended.text or ""
  if words ~= "" then chat.say(words) end
end

local group = vim.api.nvim_create_augroup("greenloop.review", {})
vim.api.nvim_create_autocmd("BufReadPost", { group = group, callback = draw })

return M
