-- Plays a job of the corpus in this Neovim, by the layer's own commands; see protocol/scenarios/README.md.

local PATIENCE = 500000 -- milliseconds

local here = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
vim.opt.runtimepath:prepend(vim.fs.joinpath(here, "../../../editors/neovim"))
vim.cmd("runtime plugin/greenloop.lua")
vim.o.swapfile = false

local job = vim.json.decode(table.concat(vim.fn.readfile(vim.env.GREENLOOP_JOB), "\n"))
local told, report_turns = {}, {}

vim.notify = function(message)
  table.insert(told, message)
end

require("greenloop").setup({ command = job.command, follow = true })
local apply = require("greenloop.apply")
local chat = require("greenloop.chat")
local review = require("greenloop.review")
local text = require("greenloop.text")
local turns = require("greenloop.turn")

local function until_(what, look)
  assert(vim.wait(PATIENCE, look, 20), "waited in vain: " .. what)
end

local function absolute(path)
  return vim.fs.joinpath(job.root, path)
end

local function buffer_of(path)
  return assert(text.buffer(absolute(path)), path .. " is not open")
end

local function conversation()
  local buffer = chat.buffer()
  return buffer and table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, true), "\n") or ""
end

-- a file of the job is before the person, the cursor at a line of it
local function at(path, line)
  if path ~= "" then
    local buffer = text.buffer(absolute(path))
    if buffer then
      vim.api.nvim_set_current_buf(buffer)
    else
      vim.cmd.edit(absolute(path))
    end
    vim.api.nvim_win_set_cursor(0, { math.min(line + 1, vim.api.nvim_buf_line_count(0)), 0 })
  end
end

local function started()
  local before = turns.current
  return function(command)
    vim.cmd(command)
    until_("a turn begins", function()
      return turns.current ~= before
    end)
  end
end

-- the messages of which the layer says that it is done come through this
local function settled(act)
  local over = false
  act(function()
    over = true
  end)
  until_("it is done", function()
    return over
  end)
end

local steps = {}

function steps.open(step)
  vim.cmd.edit(absolute(step.path))
end

function steps.edit(step)
  vim.api.nvim_buf_set_lines(buffer_of(step.path), step.line, step.line + step.remove, true, step.insert)
end

function steps.disk(step)
  text.write(absolute(step.path), step.content)
end

function steps.ask(step)
  at(step.path, step.line)
  local word = step.whole_project and "project" or step.go_on and "reply" or "ask"
  started()(("Greenloop %s %s"):format(word, step.prompt))
end

function steps.fix(step)
  at(step.path, step.line)
  started()("Greenloop fix")
end

function steps.tool(step)
  local asked = false
  vim.ui.select = function(choices, options, answer)
    asked = true
    table.insert(told, options.prompt)
    answer(step.approve and choices[2] or choices[1])
  end
  local words = { step.name }
  for name, word in pairs(step.arguments) do
    table.insert(words, ('%s="%s"'):format(name, word))
  end
  local session = require("greenloop.session")
  settled(function(done)
    session.workspace(vim.api.nvim_buf_get_name(0), function(workspace)
      require("greenloop.tools").run(workspace, table.concat(words, " "), done)
    end)
  end)
  assert(asked, "nobody was asked whether the tool may run")
end

steps["await-status"] = function(step)
  local wanted = step.state == "red" and "error" or step.state
  until_("status " .. step.state, function()
    return require("greenloop").statusline():find(wanted, 1, true) ~= nil
  end)
end

steps["await-problem"] = function(step)
  local buffer = buffer_of(step.path)
  until_("a problem at " .. step.text, function()
    return #vim.diagnostic.get(buffer, { lnum = step.line }) > 0
  end)
  local found = vim.diagnostic.get(buffer, { lnum = step.line })[1]
  local line = vim.api.nvim_buf_get_lines(buffer, step.line, step.line + 1, true)[1]
  local held = line:sub(found.col + 1, found.end_col)
  assert(held == step.text, "the problem is at " .. held)
end

steps["await-words"] = function(step)
  until_("the words " .. step.text, function()
    return conversation():find(step.text, 1, true) ~= nil
  end)
end

steps["await-end"] = function()
  local turn = assert(turns.current)
  until_("the end of the turn", function()
    return not turn.running
  end)
  local best = turn.suggestions[turn.order[1] or ""]
  table.insert(report_turns, {
    outcome = turn.ended.outcome,
    fault = turn.ended.fault and turn.ended.fault.code or "",
    label = best and review.shown and review.shown.suggestion.label or "",
  })
end

function steps.cancel()
  vim.cmd("Greenloop cancel")
end

local function signal(step)
  assert(not text.write(step.signal, ""))
  until_(step["do"], function()
    return vim.uv.fs_stat(step.signal .. ".done") ~= nil
  end)
end
steps.release, steps["kill-sidecar"] = signal, signal

local function decide(act)
  return function(step)
    local hunks = next(step.hunks) and step.hunks or step.path ~= "" and review.left(step.path) or nil
    settled(function(done)
      act(hunks, done)
    end)
  end
end
steps.accept, steps.refuse = decide(review.accept), decide(review.refuse)

function steps.undo()
  settled(apply.undo)
end

local problem = ""
for number, step in ipairs(job.steps) do
  local done, why = xpcall(steps[step["do"]], debug.traceback, step)
  if not done then
    problem = ("step %d, %s: %s\n%s\n%s"):format(
      number,
      step["do"],
      why,
      table.concat(told, "\n"),
      conversation()
    )
    break
  end
end

local buffers = vim.empty_dict()
for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
  local path = text.relative(job.root, vim.api.nvim_buf_get_name(buffer))
  if path and vim.api.nvim_buf_is_loaded(buffer) then
    buffers[path] = { base64 = vim.base64.encode(text.of(buffer)), modified = vim.bo[buffer].modified }
  end
end
table.insert(told, conversation())
assert(not text.write(
  job.report,
  vim.json.encode({
    turns = next(report_turns) and report_turns or nil,
    told = told,
    buffers = buffers,
    problem = problem,
  })
))
vim.cmd("qa!")
