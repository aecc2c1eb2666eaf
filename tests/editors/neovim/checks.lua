-- What the corpus does not reach, checked in this Neovim. Prints what failed; the last line is "checked N".

local here = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
vim.opt.runtimepath:prepend(vim.fs.joinpath(here, "../../../editors/neovim"))
vim.cmd("runtime plugin/greenloop.lua")
vim.o.swapfile = false
local folder = vim.fn.tempname()
vim.fn.mkdir(folder, "p")

local told = {}
vim.notify = function(message) table.insert(told, message) end

local function equal(found, wanted, what)
  if not vim.deep_equal(found, wanted) then
    error(("%s: %s, not %s"):format(what or "", vim.inspect(found), vim.inspect(wanted)), 2)
  end
end

local function has(words, what)
  local found = vim.wait(60000, function()
    local buffer = require("greenloop.chat").buffer()
    local said = buffer and vim.api.nvim_buf_get_lines(buffer, 0, -1, true) or {}
    return table.concat(vim.list_extend(said, told), "\n"):find(words, 1, true) ~= nil
  end, 10)
  assert(found, ("nobody was told %q %s: %s"):format(words, what or "", vim.inspect(told)))
end

local checks = {}

function checks.the_command_completes()
  local found = vim.fn.getcompletion("Greenloop ", "cmdline")
  for _, name in ipairs({ "ask", "fix", "reply", "tool", "accept", "refuse", "undo", "cancel", "trust" }) do
    assert(vim.tbl_contains(found, name), name)
  end
  equal(vim.fn.getcompletion("Greenloop re", "cmdline"), { "refuse", "reply" })
  equal(vim.fn.getcompletion("Greenloop accept h", "cmdline"), { "hunk" })
end

function checks.an_unknown_subcommand_is_named()
  vim.cmd("Greenloop fixx")
  has('there is no command "fixx"; there are: accept, ask')
end

function checks.an_unknown_option_is_named()
  local done, why = pcall(require("greenloop").setup, { comand = {} })
  assert(not done and why:find('there is no option "comand"', 1, true), why)
end

function checks.nothing_to_decide_on_is_said()
  vim.cmd("Greenloop accept")
  has("there is no suggestion to decide on")
  vim.cmd("Greenloop undo")
  has("nothing was accepted")
  vim.cmd("Greenloop cancel")
  has("nothing runs")
end

function checks.a_missing_program_is_told_with_the_way_out()
  require("greenloop").setup({ command = { folder .. "/greenloop" } })
  vim.cmd("Greenloop ask anything")
  has("cannot be run")
  vim.cmd("checkhealth greenloop")
  local shown = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n")
  assert(shown:find("is not to be found", 1, true) and shown:find("pip install greenloop", 1, true), shown)
  vim.cmd("bwipeout!")
end

function checks.a_bridge_that_ends_is_told_and_started_again()
  local count = folder .. "/count"
  require("greenloop").setup({ command = { "sh", "-c", ("echo x >> %s; exit 3"):format(count) } })
  vim.cmd("Greenloop ask one")
  has("the connection to Greenloop has ended (exit status 3)")
  vim.cmd("Greenloop ask two")
  vim.wait(60000, function() return #vim.tbl_filter(function(one) return one:find("has ended") end, told) == 2 end, 10)
  equal(vim.fn.readfile(count), { "x", "x" }, "starts")
end

function checks.a_statusline_before_all_else_is_empty()
  equal(require("greenloop").statusline(), "")
end

local TEXTS = {
  "", "\n", "a", "a\n", "a\nb", "a\n\nb\n", "a\r\nb\r\n", "a\r\nb", "a\r\nb\n", "\239\187\191a\nb\n", "ä\n価\n🥛",
  "a\n\n\n", "\n\na", "a\r\n\r\nb\r\n",
}

function checks.a_buffer_is_read_as_it_lies_on_the_disk_and_written_back_so()
  local text = require("greenloop.text")
  for number, wanted in ipairs(TEXTS) do
    local path = ("%s/read-%d"):format(folder, number)
    assert(not text.write(path, wanted))
    vim.cmd.edit(path)
    equal(text.of(0), wanted, "read " .. number)
    vim.bo.modified = true
    assert(not text.save(vim.api.nvim_get_current_buf()))
    equal(text.on_disk(path), wanted, "written " .. number)
    equal(vim.bo.modified, false)
  end
end

function checks.any_text_can_become_any_other_of_its_line_ends_in_one_step()
  local text = require("greenloop.text")
  local unix = vim.tbl_filter(function(one) return not one:find("[\r\239]") end, TEXTS)
  for from, old in ipairs(unix) do
    for to, new in ipairs(unix) do
      local path = ("%s/put-%d-%d"):format(folder, from, to)
      assert(not text.write(path, old))
      vim.cmd.edit(path)
      local buffer = vim.api.nvim_get_current_buf()
      local before = vim.api.nvim_buf_get_lines(buffer, 0, -1, true)
      assert(text.put(buffer, new), ("%q → %q"):format(old, new))
      equal(text.of(buffer, true), new)
      if old ~= new and not vim.deep_equal(before, vim.api.nvim_buf_get_lines(buffer, 0, -1, true)) then
        vim.cmd("silent undo")
        equal(vim.api.nvim_buf_get_lines(buffer, 0, -1, true), before, ("%q → %q, undone"):format(old, new))
      end
      vim.cmd("bwipeout!")
    end
  end
end

function checks.two_hunks_are_one_step_and_marks_between_them_stay()
  local text = require("greenloop.text")
  local path = folder .. "/hunks"
  assert(not text.write(path, "a\nb\nc\nd\ne\n"))
  vim.cmd.edit(path)
  local space = vim.api.nvim_create_namespace("test")
  local mark = vim.api.nvim_buf_set_extmark(0, space, 2, 0, {})
  vim.cmd("normal! Gox")
  local typed = vim.api.nvim_buf_get_lines(0, 0, -1, true)
  local hunks = {
    { id = "1", start = 0, ["end"] = 1, old = "a\n", new = "A\nAA\n", new_start = 0 },
    { id = "2", start = 4, ["end"] = 5, old = "e\n", new = "", new_start = 5 },
  }
  assert(text.put(vim.api.nvim_get_current_buf(), "A\nAA\nb\nc\nd\nx\n", hunks))
  equal(vim.api.nvim_buf_get_extmark_by_id(0, space, mark, {}), { 3, 0 }, "the mark at c")
  vim.cmd("silent undo")
  equal(vim.api.nvim_buf_get_lines(0, 0, -1, true), typed, "undone once")
  vim.cmd("bwipeout!")
end

function checks.a_line_is_followed_while_the_person_types()
  local turns = require("greenloop.turn")
  local turn = { edits = { [7] = { { 0, 0, 2 }, { 5, 6, 5 } } } }
  equal(turns.line_now(turn, 7, 0), 2)
  equal(turns.line_now(turn, 7, 3), 5)
  equal(turns.line_now(turn, 7, 4), 5)
  equal(turns.line_now(turn, 8, 4), 4)
end

function checks.long_messages_wait_for_no_key()
  told = {}
  require("greenloop.chat").tell(("word "):rep(200) .. "\nand more")
  assert(vim.fn.strdisplaywidth(told[1]) <= math.max(vim.v.echospace, 20), told[1])
  local said = vim.api.nvim_buf_get_lines(assert(require("greenloop.chat").buffer()), 0, -1, true)
  assert(vim.tbl_contains(said, "and more"))
end

local count = 0
for name, check in vim.spairs(checks) do
  count = count + 1
  local done, why = xpcall(check, debug.traceback)
  if not done then print(("FAILED %s: %s\n"):format(name, why)) end
end
print(("checked %d"):format(count))
vim.cmd("qa!")
