--- Greenloop for Neovim: asks, shows and forwards decisions. What to write is the sidecar's word.

local config = require("greenloop.config")

local M = {}

---@param path string
---@return boolean whether it is a file that the sidecar may be told of
local function real(path, buffer) return vim.startswith(path, "/") and vim.bo[buffer].buftype == "" end

--- Set options; nothing has to be.
---@param options? table a part of |greenloop.Options|
function M.setup(options)
  config.set(options)
  local group = vim.api.nvim_create_augroup("greenloop", {})
  if config.options.follow then
    vim.api.nvim_create_autocmd({ "BufReadPost", "BufNewFile" }, {
      group = group,
      callback = function(event)
        local path = vim.api.nvim_buf_get_name(event.buf)
        if real(path, event.buf) then
          require("greenloop.status")
          require("greenloop.session").workspace(path, function() end)
        end
      end,
    })
  end
  vim.api.nvim_create_autocmd({ "BufWritePost", "TextChanged" }, {
    group = group,
    callback = function(event)
      local session = package.loaded["greenloop.session"]
      local path = vim.api.nvim_buf_get_name(event.buf)
      local workspace = session and real(path, event.buf) and session.known(path)
      if not workspace then return end
      if event.event == "BufWritePost" then session.saved(workspace, path) end
      require("greenloop.apply").changed(path)
    end,
  })
end

--- What the build says, or what a request does, in a few words. For 'statusline'.
---@return string
function M.statusline()
  local status = package.loaded["greenloop.status"]
  return status and status.line() or ""
end

return M
