--- What a person may set.

---@class greenloop.Keys
---@field accept string in a changed file: accept the hunk under the cursor; in the conversation: all of it
---@field accept_all string accept the whole suggestion
---@field refuse string refuse the hunk under the cursor; in the conversation: all of it
---@field refuse_all string refuse the whole suggestion
---@field next string go to the next change
---@field previous string go to the previous change

---@class greenloop.Options
---@field command string[] the words that run `greenloop`
---@field follow boolean open the workspace of each file as it is opened, so that build status is known at once
---@field keys greenloop.Keys keys in the files of a suggestion and in the conversation; an empty one is not mapped
---@field width number columns of the conversation: a share of the screen below 1, else their number

local M = {}

---@type greenloop.Options
local defaults = {
  command = { "greenloop" },
  follow = false,
  keys = { accept = "do", accept_all = "dO", refuse = "dx", refuse_all = "dX", next = "]c", previous = "[c" },
  width = 0.4,
}

---@type greenloop.Options
M.options = defaults

function M.set(given)
  for name in pairs(given or {}) do
    if defaults[name] == nil then error(("greenloop: there is no option %q; see :help greenloop-options"):format(name)) end
  end
  M.options = vim.tbl_deep_extend("force", defaults, given or {})
end

return M
