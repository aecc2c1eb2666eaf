-- A bridge whose answers are written down: `nvim -l bridge.lua ANSWERS LOG`. ANSWERS is JSON, method → what is sent back:
-- `result` or `error`, and `news`, the notifications that follow it. Every request and notification becomes a line of LOG.

local answers = vim.json.decode(table.concat(vim.fn.readfile(arg[1]), "\n"))
local log = assert(io.open(arg[2], "a"))

local function send(message)
  local body = vim.json.encode(vim.tbl_extend("error", { jsonrpc = "2.0" }, message))
  io.write(("Content-Length: %d\r\n\r\n%s"):format(#body, body))
  io.flush()
end

for header in io.lines() do
  io.read("*l")
  local asked = vim.json.decode(io.read(tonumber(header:match("%d+"))))
  log:write(vim.json.encode(asked), "\n")
  log:flush()
  local answer = answers[asked.method] or {}
  if asked.id then send({ id = asked.id, result = not answer.error and (answer.result or {}) or nil, error = answer.error }) end
  for _, one in ipairs(answer.news or {}) do send(one) end
end
