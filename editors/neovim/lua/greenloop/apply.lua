--- Writing what the sidecar hands over, and taking it back. All files or none.
--- A buffer changes in one step of undo. One that was saved is saved again, one with unsaved changes stays unsaved; a file
--- that is not open is written to the disk.

local chat = require("greenloop.chat")
local session = require("greenloop.session")
local text = require("greenloop.text")

local M = {}

--- One file of an acceptance.
---@class greenloop.Change
---@field path string absolute
---@field before? string|false nil: there was no file
---@field after? string nil: there is none any more
---@field unsaved boolean
---@field executable boolean
---@field hunks? greenloop.Hunk[]

---@class greenloop.Acceptance
---@field id string
---@field workspace greenloop.WorkspaceState
---@field changes greenloop.Change[]
---@field back fun()

---@type greenloop.Acceptance[] the last one at the end
local accepted = {}

---@return string? text as a person sees it: the buffer's, else the disk's
local function present(path)
  local buffer = text.buffer(path)
  return buffer and text.of(buffer) or text.on_disk(path)
end

--- See whether a file is what it was judged to be.
local function hinders(change)
  local open = text.buffer(change.path) ~= nil
  local of_old = change.before == text.on_disk(change.path)
  if present(change.path) ~= change.before then return change.path .. " has changed meanwhile" end
  if open and not change.unsaved and not of_old then return change.path .. " was changed on the disk by another program" end
  local unsaved = open and change.unsaved and not change.after
  return unsaved and change.path .. " would go, but has unsaved changes: save it first" or nil
end

--- Let windows that show a file which goes show another one.
local function drop(buffer, instead)
  if instead then
    local new = vim.fn.bufadd(instead)
    vim.fn.bufload(new)
    vim.bo[new].buflisted = true
    for _, window in ipairs(vim.fn.win_findbuf(buffer)) do vim.api.nvim_win_set_buf(window, new) end
  end
  vim.api.nvim_buf_delete(buffer, { force = true })
end

---@param instead? string the file that takes its place
local function become(change, instead)
  local buffer = text.buffer(change.path)
  if change.after == nil then
    local gone, problem = os.remove(change.path)
    if gone and buffer then drop(buffer, instead) end
    return problem
  elseif not buffer then
    local problem = text.write(change.path, change.after)
    -- whoever may read it may run it
    local rights = vim.fn.getfperm(change.path):gsub("r(.).", "r%1x")
    if not problem and not change.before and change.executable then vim.fn.setfperm(change.path, rights) end
    return problem
  elseif vim.bo[buffer].readonly or not vim.bo[buffer].modifiable then
    return change.path .. " has a buffer that is read-only"
  elseif not text.put(buffer, change.after, change.hunks) then
    return change.path .. " cannot hold the new text"
  end
  return not change.unsaved and text.save(buffer) or nil
end

---@return greenloop.Change the way back
local function reversed(change)
  local kept = { path = change.path, unsaved = change.unsaved, executable = change.executable }
  return vim.tbl_extend("error", kept, { before = change.after, after = change.before })
end

--- Have all files become what they are to be, or none: what was written before an error is taken back.
---@param changes greenloop.Change[]
local function lay(workspace, changes)
  local function those(wanted) return vim.tbl_filter(wanted, changes) end
  local goes = those(function(change) return not change.after end)
  local created = those(function(change) return not change.before end)
  local instead = #goes == 1 and #created == 1 and created[1].path or nil
  local problem = vim.iter(changes):map(hinders):next()
  local done = {}
  -- what goes goes last, so that another file can take its place
  for _, change in ipairs(vim.list_extend(those(function(change) return change.after end), goes)) do
    if problem then break end
    table.insert(done, 1, reversed(change))
    problem = select(2, pcall(become, change, instead))
  end
  if not problem then
    for _, change in ipairs(changes) do session.saved(workspace, change.path) end
    return nil
  end
  for _, back in ipairs(done) do
    pcall(become, back)
    local buffer, now = text.buffer(back.path), present(back.path)
    if buffer and now == text.on_disk(back.path) then vim.bo[buffer].modified = false end
    if now ~= back.after then problem = ("%s; %s could not be put back"):format(problem, back.path) end
  end
  return problem
end

---@param file greenloop.FileText
local function change_of(workspace, file)
  local path = vim.fs.joinpath(workspace.root, file.path)
  local buffer, before = text.buffer(path), present(path)
  -- what is not what was judged: no text is like it, so that it is refused
  if (before and vim.fn.sha256(before)) ~= file.base_sha256 then before = false end
  return {
    path = path,
    before = before,
    after = file.text,
    unsaved = buffer ~= nil and vim.bo[buffer].modified,
    executable = file.executable or vim.fn.executable(path) == 1,
    hunks = file.hunks,
  }
end

--- Have hunks of a suggestion handed over, write them, and tell the sidecar whether that was done.
---@param turn greenloop.Turn
---@param suggestion greenloop.Proposed
---@param hunks? string[] all of them where nil
---@param done fun(written: boolean)
---@param back fun() called when the person has taken it back
function M.accept(turn, suggestion, hunks, done, back)
  local paths = vim.tbl_map(function(file) return file.path end, suggestion.files)
  local buffers = text.sent(turn.workspace.root, function(buffer, path)
    local concerned = vim.tbl_contains(paths, path)
    if concerned then vim.cmd(("silent! checktime %d"):format(buffer)) end
    return concerned
  end)
  local words = { turn = turn.id, suggestion = suggestion.id, hunks = hunks, buffers = buffers }
  session.call("suggestion/accept", words, function(handover)
    ---@cast handover greenloop.Handover
    if handover.label ~= suggestion.label then chat.tell("with what was accepted the badge is: " .. handover.label) end
    local changes = {}
    local _, problem = pcall(function()
      for _, file in ipairs(handover.files) do table.insert(changes, change_of(turn.workspace, file)) end
      return lay(turn.workspace, changes)
    end)
    local note = { acceptance = handover.acceptance, applied = not problem, note = problem or "" }
    local function told() done(not problem) end
    session.call("suggestion/applied", note, told, told)
    if problem then return chat.warn(("%s: not accepted (%s)"):format(problem, chat.AGAIN)) end
    table.insert(accepted, { id = handover.acceptance, workspace = turn.workspace, changes = changes, back = back })
    paths = vim.tbl_map(function(file) return file.path end, handover.files)
    chat.say(("Accepted: %s. `:Greenloop undo` takes it back."):format(table.concat(paths, ", ")))
  end, function() done(false) end)
end

---@param acceptance greenloop.Acceptance
local function undone(acceptance, done)
  session.call("suggestion/undone", { acceptance = acceptance.id }, function()
    chat.say("Taken back.")
    acceptance.back()
    if done then done() end
  end, done)
end

--- Take the last acceptance back, in all its files.
function M.undo(done)
  local last = table.remove(accepted)
  if not last then return chat.warn("nothing was accepted that could be taken back") end
  local problem = lay(last.workspace, vim.tbl_map(reversed, last.changes))
  if not problem then return undone(last, done) end
  table.insert(accepted, last)
  chat.warn(problem .. ": undo it in its buffer, by `u`")
end

--- See whether the person has taken the last acceptance back by the editor's own undo.
function M.changed(path)
  local changes = accepted[#accepted] and accepted[#accepted].changes or {}
  local concerned = vim.iter(changes):any(function(change) return change.path == path end)
  local back = vim.iter(changes):all(function(change) return present(change.path) == change.before end)
  if concerned and back then undone(table.remove(accepted)) end
end

return M
