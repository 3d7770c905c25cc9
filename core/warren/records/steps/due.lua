-- ARGV: older_ms, limit
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', whole(NOW - tonumber(ARGV[1])), 'LIMIT', 0, ARGV[2])) do
  if redis.call('EXISTS', TASK .. id) == 1 then
    found[#found + 1] = id
    redis.call('ZADD', DUE, whole(NOW), id) -- what cannot be sent goes behind the others
  else -- a record that is gone would stand before the others for ever
    redis.call('ZREM', DUE, id)
  end
end
return found
