--- Domain tools with their approval, and earlier conversations.

local chat = require("greenloop.chat")
local session = require("greenloop.session")
local turns = require("greenloop.turn")

local M = {}

---@type string[] of those that were listed last
M.names = {}

-- so that their names can be completed; where they cannot be listed, running one says why
session.on("opened", function(workspace)
  session.request("tools/list", { workspace = workspace.workspace }, function(_, found)
    M.names = vim.tbl_map(function(tool) return tool.name end, found and found.tools or {})
  end)
end)

local open = {} -- what settles a question that waits for the person → the key that takes it from the screen

session.approve = function(request, answer)
  local what = ("%s %s: %s"):format(request.tool, vim.json.encode(request.arguments), request.why)
  chat.open()
  chat.say("May this run? " .. what)
  local function settle(choice, words)
    if not open[settle] then return end
    open[settle] = nil
    chat.say(words or choice == "Yes" and "Allowed." or "Not allowed.")
    answer(choice == "Yes")
  end
  open[settle] = "<Esc>"
  vim.ui.select({ "No", "Yes" }, { prompt = what .. ". Allow it?" }, function(choice) settle(choice) end)
  open[settle] = open[settle] and "" -- it does not wait for a key
end

-- all of them: whose question it is, Neovim's `rpc` does not tell, and what is not answered is not allowed
local function take_back()
  for settle, key in pairs(open) do
    settle(nil, "The question was taken back; it is not allowed.")
    vim.api.nvim_input(key)
  end
end
session.on("$/cancelRequest", take_back)
session.on("lost", take_back)

--- Ask for the arguments that are missing, then go on. A text is meant as it stands; anything else is JSON.
---@param tool greenloop.ToolInfo
---@param done fun(arguments: table)
local function complete(tool, words, done)
  local missing = vim.iter(tool.arguments.required or {}):find(function(name) return words[name] == nil end)
  if missing then
    return vim.ui.input({ prompt = ("%s, %s: "):format(tool.name, missing) }, function(word)
      if word then complete(tool, vim.tbl_extend("error", words, { [missing] = word }), done) end
    end)
  end
  local arguments = vim.empty_dict()
  for key, word in pairs(words) do
    local read, value = pcall(vim.json.decode, word)
    local kind = ((tool.arguments.properties or {})[key] or {}).type
    arguments[key] = kind ~= "string" and read and value or word
  end
  done(arguments)
end

--- Read arguments: NAME=VALUE, or NAME="…" and NAME='…' for a value with spaces.
---@return table<string, string> words, string left what is no argument, to its end
local function arguments_of(given)
  local words, left = {}, given .. " "
  while true do
    local name, _, word, behind = left:match("^%s*([^%s=\"']+)=([\"'])(.-)%2%s+(.*)$")
    if not name then name, word, behind = left:match("^%s*([^%s=\"']+)=([^%s\"']%S*)%s+(.*)$") end
    if not name then return words, vim.trim(left) end
    words[name], left = word, behind
  end
end

--- Run a tool. `rest`: its name, and its arguments; without a name one is chosen.
---@param workspace greenloop.WorkspaceState
function M.run(workspace, rest, done)
  local name, given = rest:match("^(%S*)%s*(.*)$")
  local words, left = arguments_of(given)
  if left ~= "" then return chat.warn(('nothing was run: `%s` is no argument (NAME=VALUE, NAME="…")'):format(left)) end
  ---@param tool? greenloop.ToolInfo
  local function call(tool)
    if not tool then return end
    if tool.blocked ~= "" then return chat.warn(("%s cannot be called: %s"):format(tool.name, tool.blocked)) end
    complete(tool, words, function(arguments)
      session.call("tools/call", { workspace = workspace.workspace, name = tool.name, arguments = arguments }, function(result)
        chat.open()
        chat.say(("## %s\n\n```\n%s\n```"):format(tool.name, result.text))
        if done then done() end
      end, done)
    end)
  end
  session.call("tools/list", { workspace = workspace.workspace }, function(found)
    M.names = vim.tbl_map(function(tool) return tool.name end, found.tools)
    if name == "" then
      local function item(tool) return ("%s: %s"):format(tool.name, tool.help) end
      return vim.ui.select(found.tools, { prompt = "Greenloop, run:", format_item = item }, call)
    end
    local tool = vim.iter(found.tools):find(function(one) return one.name == name end)
    if not tool then return chat.warn(("there is no tool %s; there are: %s"):format(name, table.concat(M.names, ", "))) end
    call(tool)
  end)
end

--- Choose an earlier conversation, show it, and go on with it.
---@param workspace greenloop.WorkspaceState
function M.history(workspace)
  local function item(one) return os.date("%Y-%m-%d %H:%M ", math.floor(one.time)) .. one.title end
  session.call("conversation/list", { workspace = workspace.workspace }, function(list)
    vim.ui.select(list.conversations, { prompt = "Greenloop, go on with:", format_item = item }, function(chosen)
      if not chosen then return end
      session.call("conversation/read", { conversation = chosen.conversation }, function(read)
        chat.open()
        for _, said in ipairs(read.said) do
          chat.say(said.role == "person" and "## " .. said.text:gsub("\n", " ") or said.text)
        end
        turns.conversation = chosen.conversation
      end)
    end)
  end)
end

return M
