-- ARGV: limit, [time and id after which the page begins]

-- A page tells how large the payloads are: themselves, together, they would be too much for one answer.
local function without_payload(key)
  local names, known = {}, {}
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if name == 'payload' then
      add(known, 'payload_size', whole(redis.call('HSTRLEN', key, name)))
    else
      names[#names + 1] = name
    end
  end
  for at, value in ipairs(redis.call('HMGET', key, unpack(names))) do add(known, names[at], value) end
  return {'dead', '0', whole(NOW), known}
end

local rank, limit = 0, tonumber(ARGV[1])
if ARGV[2] then -- the place of one that may be gone by now is found by putting it back for a moment
  local back = redis.call('ZADD', DEAD, 'NX', ARGV[2], ARGV[3])
  rank = redis.call('ZREVRANK', DEAD, ARGV[3])
  if back == 1 then redis.call('ZREM', DEAD, ARGV[3]) else rank = rank + 1 end
end
local more = redis.call('ZCARD', DEAD) > rank + limit
local page, found, last = redis.call('ZREVRANGE', DEAD, rank, rank + limit - 1, 'WITHSCORES'), {}, false
for at = 1, #page, 2 do
  local id = page[at]
  last = {page[at + 1], id}
  if redis.call('EXISTS', TASK .. id) == 1 then
    found[#found + 1] = without_payload(TASK .. id)
  else
    redis.call('ZREM', DEAD, id)
  end
end
return {found, more and last}
