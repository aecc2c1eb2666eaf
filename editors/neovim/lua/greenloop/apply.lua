--- Writing what the sidecar hands over, and taking it back. All files or none.
--- A buffer changes in one step of undo. One that was saved is saved again, one with unsaved changes stays unsaved; a file
--- that is not open is written to the disk.

local chat = require("greenloop.chat")
local session = require("greenloop.session")
local text = require("greenloop.text")

local M = {}

---@class greenloop.Change one file of an acceptance
---@field path string absolute
---@field before? string nil: there was no file
---@field after? string nil: there is none any more
---@field unsaved boolean
---@field hunks? greenloop.Hunk[]

---@class greenloop.Acceptance
---@field id string
---@field workspace greenloop.WorkspaceState
---@field changes greenloop.Change[]

---@type greenloop.Acceptance[] the last one at the end
local accepted = {}

---@param path string
---@return string? text as a person sees it: the buffer's, else the disk's
local function present(path)
  local buffer = text.buffer(path)
  return buffer and text.of(buffer) or text.on_disk(path)
end

--- See whether a file is what it was judged to be.
---@param change greenloop.Change
---@return string? problem
local function hinders(change)
  local buffer = text.buffer(change.path)
  if present(change.path) ~= change.before then
    return change.path .. " has changed meanwhile"
  elseif buffer and not change.unsaved and change.before ~= text.on_disk(change.path) then
    return change.path .. " was changed on the disk by another program"
  elseif buffer and change.unsaved and not change.after then
    return change.path .. " would go, but has unsaved changes: save it first"
  elseif buffer and change.after and not vim.bo[buffer].modifiable then
    return change.path .. " cannot be changed: its buffer is not modifiable"
  end
end

--- Let windows that show a file which goes show another one.
---@param buffer integer
---@param instead? string
local function drop(buffer, instead)
  if instead then
    local new = vim.fn.bufadd(instead)
    vim.fn.bufload(new)
    vim.bo[new].buflisted = true
    for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
      vim.api.nvim_win_set_buf(window, new)
    end
  end
  vim.api.nvim_buf_delete(buffer, { force = true })
end

---@param change greenloop.Change
---@param instead? string the file that takes its place
---@return string? problem
local function become(change, instead)
  local buffer = text.buffer(change.path)
  if change.after == nil then
    if buffer then
      drop(buffer, instead)
    end
    local gone, problem = os.remove(change.path)
    return not gone and problem or nil
  end
  if not buffer then
    return text.write(change.path, change.after)
  end
  if not text.put(buffer, change.after, change.hunks) then
    return change.path .. " cannot hold the new text in its encoding"
  end
  return not change.unsaved and text.save(buffer) or nil
end

---@param change greenloop.Change
---@return greenloop.Change the way back
local function reversed(change)
  return { path = change.path, before = change.after, after = change.before, unsaved = change.unsaved }
end

--- Have all files become what they are to be, or none. What is created comes first, so that it can take a place.
---@param workspace greenloop.WorkspaceState
---@param changes greenloop.Change[]
---@return string? problem
local function lay(workspace, changes)
  for _, change in ipairs(changes) do
    local problem = hinders(change)
    if problem then
      return problem
    end
  end
  local goes, comes = {}, {}
  for _, change in ipairs(changes) do
    table.insert(change.after and comes or goes, change)
  end
  local created = vim.tbl_filter(function(change)
    return change.before == nil
  end, comes)
  local instead = #goes == 1 and #created == 1 and created[1].before == nil and created[1].path or nil
  local done = {}
  for _, change in ipairs(vim.list_extend(comes, goes)) do
    local problem = become(change, instead)
    table.insert(done, 1, reversed(change))
    if problem then
      for _, back in ipairs(done) do
        become(back)
      end
      return problem
    end
  end
  for _, change in ipairs(changes) do
    local inside = text.relative(workspace.root, change.path)
    session.notify("file/saved", { workspace = workspace.workspace, path = inside })
  end
end

---@param workspace greenloop.WorkspaceState
---@param handover greenloop.Handover
---@return greenloop.Change[] changes
---@return string? problem
local function changes_of(workspace, handover)
  local changes = {}
  for _, file in ipairs(handover.files) do
    local path = text.absolute(workspace.root, file.path)
    local buffer = text.buffer(path)
    local before = present(path)
    if (before and text.sha256(before) or nil) ~= file.base_sha256 then
      return {}, file.path .. " has changed meanwhile"
    end
    table.insert(changes, {
      path = path,
      before = before,
      after = file.text,
      unsaved = buffer ~= nil and vim.bo[buffer].modified,
      hunks = file.hunks,
    })
  end
  return changes
end

--- Write a hand-over, and tell the sidecar whether that was done.
---@param workspace greenloop.WorkspaceState
---@param handover greenloop.Handover
---@param done fun(written: boolean)
local function write(workspace, handover, done)
  local changes, problem = changes_of(workspace, handover)
  problem = problem or lay(workspace, changes)
  session.request("suggestion/applied", {
    acceptance = handover.acceptance,
    applied = not problem,
    note = problem or "",
  }, function(fault)
    if fault then
      chat.fault(fault)
    end
    if problem then
      chat.tell(problem .. ": nothing was written (ask again on the new text)", vim.log.levels.WARN)
      return done(false)
    end
    table.insert(accepted, { id = handover.acceptance, workspace = workspace, changes = changes })
    done(true)
  end)
end

--- Have hunks of a suggestion handed over, and write them.
---@param turn greenloop.Turn
---@param suggestion greenloop.Proposed
---@param hunks? string[] all of them where nil
---@param done fun(written: boolean)
function M.accept(turn, suggestion, hunks, done)
  local buffers = {}
  for _, file in ipairs(suggestion.files) do
    local buffer = text.buffer(text.absolute(turn.workspace.root, file.path))
    if buffer and text.readable(buffer) then
      vim.cmd(("silent! checktime %d"):format(buffer))
      table.insert(buffers, { path = file.path, text = text.of(buffer) })
    end
  end
  session.request("suggestion/accept", {
    turn = turn.id,
    suggestion = suggestion.id,
    hunks = hunks,
    buffers = next(buffers) and buffers or nil,
  }, function(fault, handover)
    if fault then
      chat.fault(fault)
      return done(false)
    end
    ---@cast handover greenloop.Handover
    if handover.label ~= suggestion.label then
      chat.tell("with what was accepted the badge is: " .. handover.label)
    end
    write(turn.workspace, handover, function(written)
      if written then
        local paths = vim.tbl_map(function(file)
          return file.path
        end, handover.files)
        chat.say(("Accepted: %s. `:Greenloop undo` takes it back."):format(table.concat(paths, ", ")))
      end
      done(written)
    end)
  end)
end

---@param acceptance greenloop.Acceptance
---@param done? fun()
local function undone(acceptance, done)
  session.request("suggestion/undone", { acceptance = acceptance.id }, function(fault)
    if fault then
      chat.fault(fault)
    else
      chat.say("Taken back.")
    end
    if done then
      done()
    end
  end)
end

--- Take the last acceptance back, in all its files.
---@param done? fun()
function M.undo(done)
  local last = accepted[#accepted]
  if not last then
    return chat.tell("nothing was accepted that could be taken back", vim.log.levels.WARN)
  end
  local problem = lay(last.workspace, vim.tbl_map(reversed, last.changes))
  if problem then
    return chat.tell(problem .. ": undo it in its buffer, by `u`", vim.log.levels.WARN)
  end
  table.remove(accepted)
  undone(last, done)
end

--- See whether the person has taken the last acceptance back by the editor's own undo.
---@param path string absolute
function M.changed(path)
  local last = accepted[#accepted]
  local concerned = last and vim.iter(last.changes):any(function(change)
    return change.path == path
  end)
  if not last or not concerned then
    return
  end
  for _, change in ipairs(last.changes) do
    if present(change.path) ~= change.before then
      return
    end
  end
  table.remove(accepted)
  undone(last)
end

return M
