-- Submits by many users in turn; counts what was accepted. Arguments: the file of their tokens, and after how many of
-- them to begin, so that several of these do not ask for the same user at the same time.
local tokens, turn = {}, 0
local threads = {}

function setup(thread) table.insert(threads, thread) end

function init(args)
  accepted, refused = 0, 0
  for line in io.lines(args[1]) do table.insert(tokens, line) end
  turn = tonumber(args[2] or 0)
end

function request()
  turn = turn % #tokens + 1
  return wrk.format("POST", "/api/v1/flux/text-to-image",
    { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. tokens[turn] },
    '{"model":"fal-ai/flux-1/schnell","prompt":"a lighthouse at dawn"}')
end

function response(status)
  if status >= 200 and status < 300 then accepted = accepted + 1 else refused = refused + 1 end
end

function done(summary)
  local a, r = 0, 0
  for _, thread in ipairs(threads) do a = a + thread:get("accepted"); r = r + thread:get("refused") end
  print(string.format("accepted/s %.0f", a / (summary.duration / 1e6)))
  print(string.format("refused %d", r))
end
