--- `:checkhealth greenloop`

local config = require("greenloop.config")
require("greenloop.chat") -- tells of faults
local session = require("greenloop.session")

local M = {}

local PATIENCE = 60000 -- milliseconds that a sidecar may take to start

local function program()
  local words = config.options.command
  if vim.fn.executable(words[1]) == 0 then
    local ways_out = { "install Greenloop: `pip install greenloop`", "or name it in setup({ command = … })" }
    vim.health.error(("`%s` is not to be found"):format(words[1]), ways_out)
    return false
  end
  local asked = vim.list_extend(vim.deepcopy(words), { "--version" })
  local ran = vim.system(asked, { text = true }):wait(PATIENCE)
  local said, told = table.concat(asked, " "), vim.trim(ran.code == 0 and ran.stdout or ran.stderr or "")
  local tell = ran.code == 0 and vim.health.ok or vim.health.error
  tell(("`%s`: %s%s"):format(said, told, ran.code == 0 and "" or (" (it ends with %d)"):format(ran.code)))
  return ran.code == 0
end

local function sidecar()
  local over, state = false, nil
  session.workspace(vim.fn.getcwd() .. "/.", function(workspace)
    over, state = true, workspace
  end, function() over = true end)
  vim.wait(PATIENCE, function() return over end)
  local about = session.sidecar
  if not state or not about then
    return vim.health.error("the sidecar did not answer", "see `:Greenloop chat`, and `greenloop aid logs`")
  end
  vim.health.ok(("the sidecar %s runs, process %d, protocol %d"):format(about.version, about.pid, about.protocol))
  if state.trusted then
    vim.health.ok(("%s is trusted, and built by %s"):format(state.root, state.toolchain))
  else
    vim.health.warn(state.root .. " is not trusted: nothing of it is built or verified", "`:Greenloop trust`")
  end
end

function M.check()
  vim.health.start("greenloop")
  local tell = vim.fn.has("nvim-0.10") == 1 and vim.health.ok or vim.health.error
  tell(("Neovim %s; 0.10 or later is needed"):format(tostring(vim.version())))
  if program() then sidecar() end
end

return M
