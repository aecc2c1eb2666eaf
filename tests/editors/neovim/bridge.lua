-- A bridge whose answers are written down: `nvim -l bridge.lua ANSWERS LOG`. ANSWERS is JSON, method → what is sent back:
-- `result` or `error`, and `news`, the notifications and requests that follow it, each `behind` a file that it waits for where
-- it names one. Every message heard becomes a line of LOG. `the/end` ends it.

local answers = vim.json.decode(table.concat(vim.fn.readfile(arg[1]), "\n"))
local log = assert(io.open(arg[2], "a"))

local function send(message)
  local body = vim.json.encode(vim.tbl_extend("force", { jsonrpc = "2.0" }, message))
  io.write(("Content-Length: %d\r\n\r\n%s"):format(#body, body))
  io.flush()
end

for header in io.lines() do
  io.read("*l")
  local asked = vim.json.decode(io.read(tonumber(header:match("%d+"))))
  log:write(vim.json.encode(asked), "\n")
  log:flush()
  if asked.method == "the/end" then os.exit(3) end
  local answer = answers[asked.method or "an answer"] or {}
  local result = not answer.error and (answer.result or {}) or nil
  if asked.id and asked.method then send({ id = asked.id, result = result, error = answer.error }) end
  for _, one in ipairs(answer.news or {}) do
    -- until somebody makes this file
    if one.behind then vim.wait(600000, function() return vim.uv.fs_stat(one.behind) ~= nil end, 20) end
    send({ id = one.id, method = one.method, params = one.params })
  end
end
