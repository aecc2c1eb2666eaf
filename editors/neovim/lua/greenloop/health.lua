--- `:checkhealth greenloop`

local config = require("greenloop.config")
local session = require("greenloop.session")

local M = {}

local PATIENCE = 60000 -- milliseconds that a sidecar may take to start

local function neovim()
  if vim.fn.has("nvim-0.10") == 1 then
    vim.health.ok(("Neovim %s"):format(tostring(vim.version())))
  else
    vim.health.error("Neovim is too old", "install 0.10 or later")
  end
end

---@return boolean
local function program()
  local words = config.options.command
  local shown = table.concat(words, " ")
  if vim.fn.executable(words[1]) == 0 then
    vim.health.error(
      ("`%s` is not to be found"):format(words[1]),
      { "install Greenloop: `pip install greenloop`", 'or name it: require("greenloop").setup({ command = { "/path/to/greenloop" } })' }
    )
    return false
  end
  local ran = vim.system(vim.list_extend(vim.deepcopy(words), { "--version" }), { text = true }):wait(PATIENCE)
  if ran.code ~= 0 then
    vim.health.error(("`%s --version` ends with %d"):format(shown, ran.code), vim.trim(ran.stderr or ""))
    return false
  end
  vim.health.ok(("`%s`: %s"):format(shown, vim.trim(ran.stdout)))
  return true
end

local function sidecar()
  local fault, state, over = nil, nil, false
  session.workspace(vim.fn.getcwd() .. "/.", function(found, workspace)
    fault, state, over = found, workspace, true
  end)
  if not vim.wait(PATIENCE, function()
    return over
  end) then
    return vim.health.error("the sidecar did not answer within a minute", "see `greenloop aid logs`")
  elseif fault then
    return vim.health.error(fault.message, fault.way_out)
  end
  local about = assert(session.sidecar)
  vim.health.ok(("the sidecar %s runs, process %d, protocol %d"):format(about.version, about.pid, about.protocol))
  if state.trusted then
    vim.health.ok(("%s is trusted, and built by %s"):format(state.root, state.toolchain))
  else
    vim.health.warn(
      ("%s is not trusted, so nothing of it is built and nothing is verified"):format(state.root),
      "`:Greenloop trust`"
    )
  end
end

function M.check()
  vim.health.start("greenloop")
  neovim()
  if program() then
    sidecar()
  end
end

return M
