-- What the corpus does not reach, checked in this Neovim, which `$GREENLOOP_NVIM` runs. Prints what failed;
-- the last line is "checked N".

local here = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
vim.opt.runtimepath:prepend(vim.fs.joinpath(here, "../../../editors/neovim"))
vim.cmd("runtime plugin/greenloop.lua")
vim.o.swapfile = false
local GOLDEN = vim.fs.joinpath(here, "../../../protocol/golden")
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

-- the layer is loaded anew, with no connection
local function afresh()
  for name in pairs(package.loaded) do
    if vim.startswith(name, "greenloop") then package.loaded[name] = nil end
  end
end

local checks = {}

function checks.the_command_completes()
  local found = vim.fn.getcompletion("Greenloop ", "cmdline")
  for _, name in ipairs({ "ask", "fix", "reply", "tool", "accept", "refuse", "undo", "cancel", "trust", "again", "thoughts" }) do
    assert(vim.tbl_contains(found, name), name)
  end
  equal(vim.fn.getcompletion("Greenloop re", "cmdline"), { "refuse", "reply" })
  equal(vim.fn.getcompletion("Greenloop accept h", "cmdline"), { "hunk" })
end

function checks.an_unknown_subcommand_is_named()
  vim.cmd("Greenloop fixx")
  has('there is no command "fixx"; there are: accept, again, ask')
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
  afresh()
  require("greenloop").setup({ command = { folder .. "/greenloop" } })
  vim.cmd("Greenloop ask anything")
  has("cannot be run")
  vim.cmd("checkhealth greenloop")
  local shown = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n")
  assert(shown:find("is not to be found", 1, true) and shown:find("pip install greenloop", 1, true), shown)
  vim.cmd("bwipeout!")
end

function checks.a_bridge_that_ends_is_told_and_started_again()
  afresh()
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

-- a root of its own, and a sidecar that answers what `answers_in` says of it; returns the root, and what reads its log
local function scripted(answers_in)
  local root = vim.fn.tempname()
  vim.fn.mkdir(root .. "/.git", "p")
  afresh()
  local workspace = { workspace = "w", root = root, trusted = true, toolchain = "dune" }
  local known = {
    initialize = { result = { version = "1", pid = 1, protocol = 1, session = "s" } },
    ["workspace/open"] = { result = workspace },
  }
  local answers, log = root .. "-answers", root .. "-log"
  vim.fn.writefile({ vim.json.encode(vim.tbl_extend("force", known, answers_in(root))) }, answers)
  local bridge = vim.fs.joinpath(here, "bridge.lua")
  require("greenloop").setup({ command = { vim.env.GREENLOOP_NVIM, "--clean", "-l", bridge, answers, log } })
  return workspace, function(method, wanted)
    local heard
    local found = vim.wait(60000, function()
      local all = vim.tbl_map(vim.json.decode, vim.uv.fs_stat(log) and vim.fn.readfile(log) or {})
      heard = vim.tbl_filter(function(one) return one.method == method end, all)
      return #heard >= (wanted or 1)
    end, 10)
    assert(found, "the sidecar was not told " .. method)
    return heard[wanted or 1].params
  end
end

-- a file as it is on the disk, and as it is handed over
local function handed(root, path, old, after)
  if old then assert(not require("greenloop.text").write(root .. "/" .. path, old)) end
  return vim.tbl_extend("error", { path = path, base_sha256 = old and vim.fn.sha256(old) }, after)
end

local function handover(...)
  return { ["suggestion/accept"] = { result = { acceptance = "a", label = "builds", files = { ... } } } }
end

-- accept all of what is handed over; returns whether the layer says that it was written, and what it has told the sidecar
local function accepted(workspace, heard)
  local written
  local suggestion = { id = "s", label = "builds", files = {} }
  local function done(yes) written = yes end
  require("greenloop.apply").accept({ id = "t", workspace = workspace }, suggestion, nil, done, function() end)
  assert(vim.wait(60000, function() return written ~= nil end, 10), "accepting never ended")
  return written, heard("suggestion/applied")
end

function checks.an_error_in_the_midst_of_writing_takes_all_back()
  local workspace, heard = scripted(function(root)
    handed(root, "blocked", "a file where a folder is to be", {})
    return handover(
      handed(root, "first", "old\n", { text = "new\n" }),
      handed(root, "blocked/second", nil, { text = "new\n" })
    )
  end)
  vim.cmd.edit(workspace.root .. "/first")
  local written, told_sidecar = accepted(workspace, heard)
  equal({ written, told_sidecar.applied }, { false, false })
  assert(told_sidecar.note:find("E739", 1, true), told_sidecar.note)
  equal(require("greenloop.text").on_disk(workspace.root .. "/first"), "old\n")
  equal({ vim.api.nvim_buf_get_lines(0, 0, -1, true), vim.bo.modified }, { { "old" }, false })
  vim.cmd("bwipeout!")
end

function checks.a_file_that_changed_after_it_was_judged_is_left_alone()
  local workspace, heard = scripted(function(root)
    local judged = handed(root, "mine", "old\n", { text = "new\n" })
    assert(not require("greenloop.text").write(root .. "/mine", "mine\n"))
    return handover(handed(root, "new", nil, { text = "new\n" }), judged)
  end)
  local written, told_sidecar = accepted(workspace, heard)
  equal({ written, told_sidecar.applied }, { false, false })
  assert(told_sidecar.note:find("/mine has changed meanwhile", 1, true), told_sidecar.note)
  equal(require("greenloop.text").on_disk(workspace.root .. "/mine"), "mine\n")
  equal(require("greenloop.text").on_disk(workspace.root .. "/new"), nil)
end

function checks.taking_back_what_was_saved_is_told_once()
  local workspace, heard = scripted(function(root) return handover(handed(root, "saved", "old\n", { text = "new\n" })) end)
  require("greenloop.session").workspace(workspace.root .. "/saved", function() end)
  heard("workspace/open")
  vim.cmd.edit(workspace.root .. "/saved")
  assert(accepted(workspace, heard))
  equal(require("greenloop.text").on_disk(workspace.root .. "/saved"), "new\n")
  local done
  require("greenloop.apply").undo(function() done = true end)
  assert(vim.wait(60000, function() return done end, 10), "undoing never ended")
  equal(require("greenloop.text").on_disk(workspace.root .. "/saved"), "old\n")
  heard("suggestion/undone")
  vim.cmd("Greenloop undo")
  has("nothing was accepted that could be taken back")
  vim.cmd("bwipeout!")
end

function checks.a_buffer_that_cannot_be_written_is_as_before()
  local workspace, heard = scripted(function(root)
    return handover(
      handed(root, "new", nil, { text = "new\n" }),
      handed(root, "latin", "old\n", { text = "価\n" })
    )
  end)
  vim.cmd.edit(workspace.root .. "/latin")
  vim.bo.fileencoding = "latin1" -- which makes it modified
  vim.bo.modified = false
  local written, told_sidecar = accepted(workspace, heard)
  equal({ written, told_sidecar.applied }, { false, false })
  equal(require("greenloop.text").on_disk(workspace.root .. "/new"), nil)
  equal(require("greenloop.text").on_disk(workspace.root .. "/latin"), "old\n")
  equal({ vim.api.nvim_buf_get_lines(0, 0, -1, true), vim.bo.modified }, { { "old" }, false })
  vim.cmd("bwipeout!")
end

function checks.a_script_can_be_run_when_it_is_made_and_when_it_comes_back()
  local workspace, heard = scripted(function(root)
    local made = handed(root, "new.sh", nil, { text = "#!/bin/sh\n", executable = true })
    local gone = handed(root, "old.sh", "#!/bin/sh\n", {})
    assert(vim.uv.fs_chmod(root .. "/old.sh", tonumber("740", 8)))
    return handover(made, gone, handed(root, "plain", nil, { text = "no script\n" }))
  end)
  local written = accepted(workspace, heard)
  assert(written)
  -- whoever may read it may run it
  local rights = vim.fn.getfperm(workspace.root .. "/new.sh")
  assert(rights:find("^r.x") and not rights:find("r.%-"), rights)
  equal(vim.fn.executable(workspace.root .. "/plain"), 0)
  local undone = false
  require("greenloop.apply").undo(function() undone = true end)
  assert(vim.wait(60000, function() return undone end, 10))
  equal(vim.fn.executable(workspace.root .. "/old.sh"), 1)
end

local STARTED = { id = "t", turn = "t", conversation = "c" }

local function asking(...)
  local news = { ... }
  table.insert(news, { method = "turn/ended", params = { turn = "t", outcome = "answered" } })
  return function() return { ["turn/start"] = { result = STARTED, news = news } } end
end

local function ended()
  local turns = require("greenloop.turn")
  assert(vim.wait(60000, function() return turns.current and turns.current.ended ~= nil end, 10), "the turn never ended")
  return turns.current
end

function checks.what_is_version_controls_own_is_not_sent()
  local workspace, heard = scripted(asking())
  for _, path in ipairs({ ".git/COMMIT_EDITMSG", "price.ml" }) do
    vim.cmd.edit(workspace.root .. "/" .. path)
    vim.api.nvim_buf_set_lines(0, 0, -1, true, { "unsaved" })
  end
  vim.cmd("buffer COMMIT_EDITMSG")
  vim.cmd("Greenloop ask something")
  local request = heard("turn/start")
  equal(request.buffers, { { path = "price.ml", text = "unsaved\n" } })
  equal(request.place, nil)
  ended()
  vim.cmd("%bwipeout!")
end

function checks.what_was_asked_last_is_asked_again_where_the_lines_are_now()
  local workspace, heard = scripted(asking())
  vim.cmd("Greenloop again")
  has("nothing was asked yet")
  vim.cmd.edit(workspace.root .. "/price.ml")
  vim.api.nvim_buf_set_lines(0, 0, -1, true, { "one", "two", "three" })
  vim.cmd("2,3Greenloop ask make it four")
  ended()
  vim.api.nvim_buf_set_lines(0, 0, 0, true, { "zero" })
  vim.cmd("Greenloop again")
  local first, second = heard("turn/start"), heard("turn/start", 2)
  equal({ first.prompt, first.place.selection.start.line }, { "make it four", 1 })
  equal({ second.prompt, second.place.selection.start.line }, { "make it four", 2 })
  equal(second.buffers[1].text, "zero\none\ntwo\nthree\n")
  ended()
  vim.cmd("%bwipeout!")
end

function checks.thoughts_are_shown_when_they_are_asked_for()
  local function delta(words, thought)
    return { method = "turn/delta", params = { turn = "t", candidate = 0, text = words, thought = thought } }
  end
  scripted(asking(delta("tricky, ", true), delta("very", true), delta("an answer", false)))
  vim.cmd("Greenloop ask something")
  ended()
  local chat = require("greenloop.chat")
  local function said() return table.concat(vim.api.nvim_buf_get_lines(assert(chat.buffer()), 0, -1, true), "\n") end
  assert(said():find("an answer", 1, true) and not said():find("tricky", 1, true), said())
  vim.cmd("Greenloop thoughts")
  assert(said():find("tricky, very", 1, true), said())
end

-- what the sidecar says in each of the protocol's golden messages, of a workspace at `root`
local function golden_answers(root)
  local golden, answers = {}, {}
  for name in vim.fs.dir(GOLDEN) do
    golden[name:gsub("%.json$", "")] = vim.json.decode(table.concat(vim.fn.readfile(vim.fs.joinpath(GOLDEN, name)), "\n"))
  end
  for name, one in pairs(golden) do
    if one.request and name ~= "approval.request" then answers[one.request.method] = { result = one.answer.result } end
  end
  answers["workspace/open"].result.root = root
  answers["suggestion/refuse"] = { error = golden.error.answer.error }
  local stop = vim.deepcopy(golden["turn.ended"].notification)
  stop.params.order = { "s-1" } -- so that what was suggested before the end is shown
  answers["turn/start"].news = { golden["approval.request"].request, stop }
  for at, name in ipairs({ "turn.progress", "turn.delta", "turn.candidate", "status.changed" }) do
    table.insert(answers["turn/start"].news, at, golden[name].notification)
  end
  return answers, golden
end

function checks.the_golden_messages_are_heard_and_those_it_sends_are_of_their_form()
  local golden, log
  local workspace, heard = scripted(function(root)
    local answers
    answers, golden = golden_answers(root)
    local buffer = golden["turn.start"].request.params.buffers[1]
    vim.fn.mkdir(root .. "/book")
    assert(not require("greenloop.text").write(vim.fs.joinpath(root, buffer.path), buffer.text))
    log = root .. "-log"
    return answers
  end)
  vim.ui.select = function(choices, options, choose)
    has("May this run? tickets.close", options.prompt)
    choose(choices[2])
  end
  vim.cmd.edit(workspace.root .. "/book/level.ml")
  local file = vim.api.nvim_get_current_buf()
  vim.cmd("Greenloop reply keep the type of best")
  for _, words in ipairs({
    "> giving the compiler's message back", "<<<<<<<\n  level.top", "the sidecar was restarted in the middle of this",
    "(ask again)", "Allowed.", "### type-checks", "+  Price.of_string level.top",
  }) do has(words) end
  equal(vim.tbl_map(function(one) return one.message end, vim.diagnostic.get(file)), {
    golden["status.changed"].notification.params.problems[1].message,
  })
  equal(require("greenloop").statusline(), "checking")
  equal(heard("suggestion/shown"), golden["suggestion.shown"].request.params)
  for _, command in ipairs({ "status", "trust", "tool tickets.find words=price" }) do
    vim.cmd("Greenloop " .. command)
  end
  has("1 errors")
  has("#12 the price is wrong")
  vim.cmd("4")
  vim.cmd("Greenloop refuse hunk")
  has("is not what the suggestion was made for (ask again on the new text")
  local done
  require("greenloop.review").accept({ "1" }, function() done = true end)
  assert(vim.wait(60000, function() return done end, 10))
  has("the badge is: 1 error")
  equal(require("greenloop.text").of(file), golden["suggestion.accept"].answer.result.files[1].text)
  equal(heard("suggestion/accept"), golden["suggestion.accept"].request.params)
  equal(heard("suggestion/applied"), { acceptance = "a-1", applied = true, note = "" })
  vim.cmd("Greenloop undo")
  equal(heard("suggestion/undone"), golden["suggestion.undone"].request.params)
  -- every message that went out has the fields of its golden one, and no other
  local by_method = {}
  for _, one in pairs(golden) do
    local sent = one.request or one.notification or {}
    by_method[sent.method or "answer"] = sent.params
  end
  for _, sent in ipairs(vim.tbl_map(vim.json.decode, vim.fn.readfile(log))) do
    for field in pairs(sent.method and sent.params or {}) do
      assert(by_method[sent.method] and by_method[sent.method][field] ~= nil, ("%s: %s"):format(sent.method, field))
    end
    if not sent.method then equal(sent, golden["approval.request"].answer) end
  end
  vim.cmd("%bwipeout!")
end

function checks.arguments_of_tools_hold_spaces_and_what_is_none_is_refused()
  local _, heard = scripted(function()
    local tool = { name = "team.say", help = "", blocked = "", writes = false, arguments = { type = "object" } }
    return { ["tools/list"] = { result = { tools = { tool } } }, ["tools/call"] = { result = { text = "said" } } }
  end)
  vim.cmd("Greenloop tool team.say title=hello world")
  has("nothing was run: `world` is no argument")
  vim.cmd([[Greenloop tool team.say title="hello]])
  has([[nothing was run: `title="hello` is no argument]])
  vim.cmd([[Greenloop tool team.say title="hello world" dry-run=true said='a "b" c=d' list=["x","y"] empty=""]])
  -- the first call is this one
  equal(heard("tools/call").arguments, {
    title = "hello world", ["dry-run"] = true, said = 'a "b" c=d', list = { "x", "y" }, empty = "",
  })
end

-- a suggestion: `price.ml` gets another name, `bill.ml` another line; what is accepted is the name alone
local function renaming(root)
  local moved = handed(root, "price.ml", "let vat = 20\n", {})
  local files = {
    { path = "price.ml", new_path = "cost.ml", kind = "rename" },
    {
      path = "bill.ml",
      kind = "change",
      hunks = { { id = "1", start = 1, ["end"] = 2, old = "b\n", new = "B\n", new_start = 1 } },
    },
  }
  handed(root, "bill.ml", "a\nb\n", {})
  local suggestion = { id = "s", label = "builds", diff = "the diff", files = files }
  local news = {
    { method = "turn/candidate", params = { turn = "t", rank = 0, suggestion = suggestion } },
    { method = "turn/ended", params = { turn = "t", outcome = "done", order = { "s" } } },
  }
  local answers = handover(moved, handed(root, "cost.ml", nil, { text = "let vat = 20\n" }))
  return vim.tbl_extend("error", answers, { ["turn/start"] = { result = STARTED, news = news } })
end

local function listed()
  return vim.tbl_map(function(item) return item.text end, vim.fn.getqflist())
end

local function press(keys) vim.api.nvim_feedkeys(keys, "xm", false) end

function checks.a_change_of_the_name_alone_is_decided_on_by_itself_and_again_when_it_is_taken_back()
  local workspace, heard = scripted(renaming)
  local review = require("greenloop.review")
  vim.cmd.edit(workspace.root .. "/bill.ml")
  local mine
  vim.keymap.set("n", "do", function() mine = true end, { buffer = 0, desc = "my own" })
  vim.cmd.edit(workspace.root .. "/price.ml")
  vim.cmd("Greenloop ask call it cost")
  ended()
  equal(listed(), { "rename price.ml → cost.ml [builds]", "change bill.ml [builds] B" })
  press("do")
  equal(heard("suggestion/accept").hunks, { "price.ml" })
  heard("suggestion/applied")
  assert(vim.wait(60000, function() return #listed() == 1 end, 10), vim.inspect(listed()))
  equal(listed(), { "change bill.ml [builds] B" })
  equal(require("greenloop.text").on_disk(workspace.root .. "/cost.ml"), "let vat = 20\n")
  vim.cmd("buffer bill.ml")
  vim.cmd("2")
  press("dx")
  equal(heard("suggestion/refuse").hunks, { "1" })
  assert(vim.wait(60000, function() return not review.shown end, 10), "the review never closed")
  -- the person's own key is back
  press("do")
  equal({ mine, vim.fn.maparg("do", "n", false, true).desc }, { true, "my own" })
  equal(vim.fn.maparg("dx", "n"), "")
  vim.cmd("Greenloop undo")
  assert(vim.wait(60000, function() return review.shown end, 10), "the review is not shown again")
  equal(listed(), { "rename price.ml → cost.ml [builds]" })
  vim.cmd.edit(workspace.root .. "/price.ml")
  equal(review.here(), { "price.ml" })
  press("dx")
  equal(heard("suggestion/refuse", 2).hunks, { "price.ml" })
  assert(vim.wait(60000, function() return not review.shown end, 10), "the review never closed")
  vim.cmd("%bwipeout!")
end

function checks.names_of_tools_complete_before_one_was_run()
  local workspace, heard = scripted(function()
    return { ["tools/list"] = { result = { tools = { { name = "team.say" }, { name = "team.see" } } } } }
  end)
  require("greenloop.command")
  require("greenloop.session").workspace(workspace.root .. "/price.ml", function() end)
  heard("tools/list")
  local function complete(words) return vim.fn.getcompletion("Greenloop tool " .. words, "cmdline") end
  assert(vim.wait(60000, function() return #complete("") == 2 end, 10), vim.inspect(complete("")))
  equal(complete("team.sa"), { "team.say" })
  equal(complete("team.say "), {})
  equal(vim.fn.getcompletion("Greenloop accept hunk ", "cmdline"), {})
end

function checks.when_the_bridge_has_ended_nothing_old_is_shown()
  local status = { workspace = "w", state = "red", errors = 1, problems = {
    { path = "price.ml", severity = "error", message = "wrong" },
  } }
  local workspace, heard = scripted(function()
    return { ["file/saved"] = { news = { { method = "status/changed", params = status } } } }
  end)
  require("greenloop.command")
  local session, line = require("greenloop.session"), require("greenloop").statusline
  vim.cmd.edit(workspace.root .. "/price.ml")
  session.workspace(workspace.root .. "/price.ml", function(known) session.saved(known, workspace.root .. "/price.ml") end)
  heard("file/saved")
  assert(vim.wait(60000, function() return line() == "1 error" end, 10), line())
  equal(#vim.diagnostic.get(0), 1)
  -- a file of no project, or of another one
  vim.cmd.edit(vim.fn.tempname())
  equal(line(), "")
  vim.cmd("buffer price.ml")
  equal(line(), "1 error")
  session.request("the/end", {}, function() end)
  assert(vim.wait(60000, function() return session.sidecar == nil end, 10), "the bridge never ended")
  equal({ line(), #vim.diagnostic.get(0) }, { "", 0 })
  vim.cmd("%bwipeout!")
end

-- a tool is run, and the sidecar asks and takes its question back; returns what waits for words of the conversation
local function asked_and_taken_back()
  local question = { id = "s:1:1", method = "approval/request", params = { tool = "team.say", arguments = {}, why = "it writes" } }
  local _, heard = scripted(function()
    return {
      ["tools/call"] = { result = { text = "said" }, news = { question } },
      ["file/saved"] = { news = { { method = "$/cancelRequest", params = { id = "s:1:1" } } } },
    }
  end)
  require("greenloop.command")
  return heard
end

function checks.a_question_that_is_taken_back_is_settled_and_a_late_answer_goes_nowhere()
  local heard = asked_and_taken_back()
  local choose
  vim.ui.select = function(_, _, chosen) choose = chosen end
  local session = require("greenloop.session")
  session.request("tools/call", {}, function() end)
  assert(vim.wait(60000, function() return choose ~= nil end, 10), "nobody was asked")
  session.workspace(vim.fn.getcwd() .. "/.", function(workspace) session.saved(workspace, workspace.root .. "/a") end)
  heard("file/saved")
  has("The question was taken back")
  choose("Yes")
  local said = vim.api.nvim_buf_get_lines(require("greenloop.chat").buffer(), 0, -1, true)
  assert(not vim.tbl_contains(said, "Allowed."), vim.inspect(said))
end

function checks.what_was_taken_back_is_not_shown_where_something_else_was_asked_since()
  local workspace, heard = scripted(renaming)
  vim.cmd.edit(workspace.root .. "/price.ml")
  vim.cmd("Greenloop ask call it cost")
  ended()
  press("dO")
  heard("suggestion/applied")
  local review, turns = require("greenloop.review"), require("greenloop.turn")
  assert(vim.wait(60000, function() return not review.shown end, 10), "the review never closed")
  turns.current = vim.deepcopy(turns.current)
  vim.cmd("Greenloop undo")
  heard("suggestion/undone")
  has("Taken back.")
  equal(review.shown, nil)
  vim.cmd("%bwipeout!")
end

function checks.the_late_end_of_a_bridge_given_up_leaves_the_next_one_alone()
  local first, go, pid = folder .. "/first", folder .. "/go", folder .. "/pid"
  local workspace = scripted(function() return {} end)
  local config = require("greenloop.config")
  local next_one = vim.deepcopy(config.options.command)
  local refused = vim.json.encode({ jsonrpc = "2.0", id = 1, error = { code = 1, message = "refused" } })
  local script = table.concat({
    ('[ -e %s ] && exec "$@"'):format(first),
    ("trap '' TERM; echo $$ > %s; touch %s; read -r line"):format(pid, first),
    ("printf 'Content-Length: %d\\r\\n\\r\\n%%s' '%s'"):format(#refused, refused),
    ("while ! [ -e %s ]; do sleep 0.05; done"):format(go),
  }, "\n")
  config.options.command = vim.list_extend({ "sh", "-c", script, "sh" }, next_one)
  local session = require("greenloop.session")
  local refusal, opened
  session.request("workspace/open", { path = workspace.root }, function(fault) refusal = fault end)
  assert(vim.wait(60000, function() return refusal ~= nil end, 10), "the first bridge never answered")
  equal(refusal.message, "refused")
  session.request("workspace/open", { path = workspace.root }, function(_, state) opened = state end)
  assert(vim.wait(60000, function() return opened ~= nil end, 10), "the second bridge never answered")
  vim.fn.writefile({}, go)
  local number = assert(tonumber(vim.fn.readfile(pid)[1]))
  assert(vim.wait(60000, function() return vim.uv.kill(number, 0) ~= 0 end, 10), "the first bridge never ended")
  vim.wait(300, function() return session.sidecar == nil end, 10)
  assert(session.sidecar, "the second bridge was taken for ended")
end

local count = 0
for name, check in vim.spairs(checks) do
  count = count + 1
  local done, why = xpcall(check, debug.traceback)
  if not done then print(("FAILED %s: %s\n"):format(name, why)) end
end
print(("checked %d"):format(count))
vim.cmd("qa!")
