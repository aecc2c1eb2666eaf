--- Domain tools and their approval, earlier conversations, what was sent to a model.

local chat = require("greenloop.chat")
local session = require("greenloop.session")
local turns = require("greenloop.turn")

local M = {}

---@type string[] those that were listed last, for completion
M.names = {}

session.approve = function(request, answer)
  local what = ("%s %s"):format(request.tool, vim.json.encode(request.arguments))
  chat.say(("May %s run? %s"):format(what, request.why))
  vim.ui.select({ "No", "Yes" }, { prompt = ("%s: %s. Allow it?"):format(what, request.why) }, function(choice)
    chat.say(choice == "Yes" and "Allowed." or "Not allowed.")
    answer(choice == "Yes")
  end)
end

---@param tool greenloop.ToolInfo
---@param words table<string, string>
---@param done fun(arguments: table)
local function complete(tool, words, done)
  local properties = tool.arguments.properties or {}
  local missing = vim.tbl_filter(function(name)
    return words[name] == nil
  end, tool.arguments.required or {})
  local function next_one()
    local name = table.remove(missing, 1)
    if name then
      return vim.ui.input({ prompt = ("%s, %s: "):format(tool.name, name) }, function(word)
        if word then
          words[name] = word
          next_one()
        end
      end)
    end
    local arguments = vim.empty_dict()
    for key, word in pairs(words) do
      -- a text is meant as it stands; anything else is JSON
      local kind = properties[key] and properties[key].type
      local read, value = pcall(vim.json.decode, word)
      arguments[key] = kind ~= "string" and read and value or word
    end
    done(arguments)
  end
  next_one()
end

--- Run a tool. `rest`: its name, and its arguments as NAME=VALUE; without a name one is chosen.
---@param workspace greenloop.WorkspaceState
---@param rest string
---@param done? fun()
function M.run(workspace, rest, done)
  session.request("tools/list", { workspace = workspace.workspace }, function(fault, list)
    if fault then
      return chat.fault(fault)
    end
    ---@type greenloop.ToolInfo[]
    local found = list.tools
    M.names = vim.tbl_map(function(tool)
      return tool.name
    end, found)
    local name, given = rest:match("^(%S*)%s*(.*)$")
    local words = {}
    for key, word in given:gmatch("([%w_]+)=(%S+)") do
      words[key] = word
    end
    ---@param tool? greenloop.ToolInfo
    local function call(tool)
      if not tool then
        return
      elseif tool.blocked ~= "" then
        return chat.tell(("%s cannot be called: %s"):format(tool.name, tool.blocked), vim.log.levels.WARN)
      end
      complete(tool, words, function(arguments)
        local params = { workspace = workspace.workspace, name = tool.name, arguments = arguments }
        session.request("tools/call", params, function(problem, result)
          if problem then
            chat.fault(problem)
          else
            chat.open()
            chat.say(("## %s\n\n```\n%s\n```"):format(tool.name, result.text))
          end
          if done then
            done()
          end
        end)
      end)
    end
    if name == "" then
      return vim.ui.select(found, {
        prompt = "Greenloop, run:",
        format_item = function(tool)
          return ("%s: %s"):format(tool.name, tool.help)
        end,
      }, call)
    end
    local tool = vim.iter(found):find(function(one)
      return one.name == name
    end)
    if not tool then
      return chat.tell(("there is no tool %s; there are: %s"):format(name, table.concat(M.names, ", ")))
    end
    call(tool)
  end)
end

--- Choose an earlier conversation, show it, and go on with it.
---@param workspace greenloop.WorkspaceState
function M.history(workspace)
  session.request("conversation/list", { workspace = workspace.workspace }, function(fault, list)
    if fault then
      return chat.fault(fault)
    end
    vim.ui.select(list.conversations, {
      prompt = "Greenloop, go on with:",
      format_item = function(one)
        return os.date("%Y-%m-%d %H:%M ", math.floor(one.time)) .. one.title
      end,
    }, function(chosen)
      if not chosen then
        return
      end
      session.request("conversation/read", { conversation = chosen.conversation }, function(problem, read)
        if problem then
          return chat.fault(problem)
        end
        chat.open()
        for _, said in ipairs(read.said) do
          chat.say(said.role == "person" and "## " .. said.text:gsub("\n", " ") or said.text)
        end
        turns.conversation = chosen.conversation
      end)
    end)
  end)
end

--- Show what was sent to the model in a turn.
---@param turn? greenloop.Turn
function M.explain(turn)
  if not turn or turn.id == "" then
    return chat.tell("nothing was asked yet", vim.log.levels.WARN)
  end
  session.request("turn/explain", { turn = turn.id }, function(fault, sent)
    if fault then
      return chat.fault(fault)
    end
    local lines = {}
    for _, one in ipairs(sent.parts) do
      vim.list_extend(lines, { ("## %s: %s (%d tokens)"):format(one.role, one.why, one.tokens), "" })
      vim.list_extend(lines, vim.split(one.text, "\n", { plain = true }))
    end
    vim.cmd("new")
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.filetype = "nofile", "wipe", "markdown"
    vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
  end)
end

return M
