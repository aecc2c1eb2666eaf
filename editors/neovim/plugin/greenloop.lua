-- Defines the command; everything else is loaded when it is first used.
if vim.g.loaded_greenloop then return end
vim.g.loaded_greenloop = true

vim.api.nvim_create_user_command("Greenloop", function(given) require("greenloop.command").run(given) end, {
  nargs = "*",
  range = true,
  desc = "Ask Greenloop, and decide on what it suggests",
  complete = function(lead, line) return require("greenloop.command").complete(lead, line) end,
})
