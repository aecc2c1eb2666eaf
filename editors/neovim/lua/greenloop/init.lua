--- Greenloop for Neovim: asks, shows and forwards decisions. What to write is the sidecar's word.

local config = require("greenloop.config")

local M = {}

---@return string? path of what the sidecar may be told of: a file
local function file_of(event)
  local path = vim.api.nvim_buf_get_name(event.buf)
  return vim.startswith(path, "/") and vim.bo[event.buf].buftype == "" and path or nil
end

--- Set options; nothing has to be.
---@param options? table a part of |greenloop.Options|
function M.setup(options)
  config.set(options)
  local group = vim.api.nvim_create_augroup("greenloop", {})
  if config.options.follow then
    vim.api.nvim_create_autocmd({ "BufReadPost", "BufNewFile" }, {
      group = group,
      callback = function(event)
        require("greenloop.status")
        local path = file_of(event)
        if path then require("greenloop.session").workspace(path, function() end) end
      end,
    })
  end
  vim.api.nvim_create_autocmd({ "BufWritePost", "TextChanged" }, {
    group = group,
    callback = function(event)
      local session, path = package.loaded["greenloop.session"], file_of(event)
      local workspace = session and path and session.known(path)
      if not workspace then return end
      if event.event == "BufWritePost" then session.saved(workspace, path) end
      require("greenloop.apply").changed(path)
    end,
  })
end

--- What the build says, or what a request does, in a few words. For 'statusline'.
function M.statusline()
  local status = package.loaded["greenloop.status"]
  return status and status.line() or ""
end

return M
