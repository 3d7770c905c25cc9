-- ARGV: limit, [time and id after which the page begins]
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
    found[#found + 1] = answer('dead', TASK .. id)
  else
    redis.call('ZREM', DEAD, id)
  end
end
return {found, more and last}
