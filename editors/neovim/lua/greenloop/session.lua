--- The connection to the sidecar: `greenloop aid connect` over its standard input and output.
--- The bridge starts the sidecar, and stays when that is restarted. Where the bridge itself ends, the next request starts
--- another one, and the workspaces are opened anew.

local config = require("greenloop.config")
local text = require("greenloop.text")

local M = {}

---@alias greenloop.Answer fun(fault?: greenloop.Fault, result?: table)

---@type table<string, greenloop.WorkspaceState> by name
M.workspaces = {}
---@type table<string, string> folder of a file → name of its workspace
local folders = {}
---@type table<string, fun(params: table)[]> notification, "lost" or "faulted" → who hears it
local hearers = vim.defaulttable()
---@type fun(request: greenloop.ApprovalRequest, answer: fun(approved: boolean))
M.approve = function(_, answer) answer(false) end

---@type vim.lsp.rpc.PublicClient?
local client
---@type greenloop.Answer[] who waits for the introduction
local waiting = {}
---@type table<function, greenloop.Answer> who waits for an answer
local pending = {}
---@type greenloop.Initialized? nil before the introduction
M.sidecar = nil

---@param name string a notification of the sidecar; "opened": a workspace; "lost": the bridge; "faulted": the person is to be told
function M.on(name, hear) table.insert(hearers[name], hear) end

local function tell(name, params)
  for _, hear in ipairs(hearers[name]) do hear(params) end
end

local function fault(code, message, way_out) return { code = code, message = message, way_out = way_out } end

local function settle(found)
  local now = waiting
  waiting = {}
  for _, one in ipairs(now) do one(found) end
end

local function ended(status)
  client, M.sidecar, M.workspaces, folders = nil, nil, {}, {}
  local why = ("the connection to Greenloop has ended (exit status %s)"):format(status)
  local found = fault("sidecar-unreachable", why, "ask again; `:checkhealth greenloop` says more")
  local left = pending
  pending = {}
  settle(found)
  for _, done in pairs(left) do done(found) end
  tell("lost", found)
end

local dispatchers = {
  notification = tell,
  server_request = function(method, params)
    if method ~= "approval/request" then
      return nil, vim.lsp.rpc.rpc_response_error(vim.lsp.protocol.ErrorCodes.MethodNotFound, method)
    end
    local thread, answered, approved = coroutine.running(), false, false
    M.approve(params, function(yes)
      answered, approved = true, yes
      if coroutine.status(thread) == "suspended" then coroutine.resume(thread) end
    end)
    while not answered do coroutine.yield() end
    return { approved = approved }
  end,
  on_error = function(_, message) vim.notify("greenloop: " .. vim.inspect(message), vim.log.levels.ERROR) end,
}

local function send(method, params, done)
  local function answered(error, result)
    pending[answered] = nil
    done(error and (error.data or fault("internal", error.message or "an error without words", "")), result)
  end
  pending[answered] = done
  local sent = assert(client).request(method, next(params) and params or vim.empty_dict(), answered)
  if not sent then answered({ data = fault("sidecar-unreachable", "the connection is closing", "ask again") }) end
end

local function connected(done)
  if M.sidecar and client and not client.is_closing() then return done() end
  table.insert(waiting, done)
  if client then return end
  local words = vim.list_extend(vim.deepcopy(config.options.command), { "aid", "connect" })
  ---@type vim.lsp.rpc.PublicClient?
  local mine
  -- a bridge that was given up may end when the next one runs already
  local on_exit = vim.schedule_wrap(function(status)
    if client == mine then ended(status) end
  end)
  local started, found = pcall(vim.lsp.rpc.start, words, vim.tbl_extend("error", dispatchers, { on_exit = on_exit }))
  if not started or not found then
    local why = ("`%s` cannot be run: %s"):format(table.concat(words, " "), found)
    return settle(fault("environment", why, "install Greenloop, or name it in setup({ command = … })"))
  end
  client, mine = found, found
  local about = { client = "neovim", version = tostring(vim.version()), encoding = "utf-8", can_approve = true }
  send("initialize", about, function(error, result)
    if client ~= mine then return end
    if error then
      client = nil
      found.terminate()
      return settle(error)
    end
    M.sidecar = result --[[@as greenloop.Initialized]]
    settle()
  end)
end

--- Ask the sidecar, which is started where it does not run.
---@param done greenloop.Answer
function M.request(method, params, done)
  connected(function(found)
    if found then return done(found) end
    send(method, params, done)
  end)
end

--- Ask; the person is told of a fault.
---@param done? fun(result: table)
function M.call(method, params, done, failed)
  M.request(method, params, function(found, result)
    if found then tell("faulted", found) end
    local go_on = found and failed or not found and done
    if go_on then go_on(result) end
  end)
end

--- Tell the sidecar of a file that was saved; nothing is said where there is no connection.
---@param workspace greenloop.WorkspaceState
function M.saved(workspace, path)
  local inside = text.relative(workspace.root, path)
  if inside and M.sidecar and client then client.notify("file/saved", { workspace = workspace.workspace, path = inside }) end
end

function M.known(path) return M.workspaces[folders[vim.fs.dirname(path)] or ""] end

--- Find the workspace that a file lies in; it is opened where it is not open yet.
---@param done fun(workspace: greenloop.WorkspaceState)
function M.workspace(path, done, failed)
  local known = M.known(path)
  if known then return done(known) end
  M.call("workspace/open", { path = path }, function(state)
    if not M.workspaces[state.workspace] then tell("opened", state) end
    M.workspaces[state.workspace] = M.workspaces[state.workspace] or state
    folders[vim.fs.dirname(path)] = state.workspace
    done(M.workspaces[state.workspace])
  end, failed)
end

---@param workspace greenloop.WorkspaceState
---@param done fun() called in any case
function M.trust(workspace, trusted, done)
  M.call("workspace/trust", { workspace = workspace.workspace, trusted = trusted }, function(state)
    workspace.trusted, workspace.toolchain = state.trusted, state.toolchain
    done()
  end, done)
end

return M
