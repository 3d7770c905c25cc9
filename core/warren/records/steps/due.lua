-- KEYS: due   ARGV: prefix, older_ms, limit
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(NOW - tonumber(ARGV[2])), 'LIMIT', 0, ARGV[3])) do
  if redis.call('EXISTS', ARGV[1] .. id) == 1 then
    found[#found + 1] = id
  else -- a record that is gone would stand before the others for ever
    redis.call('ZREM', KEYS[1], id)
  end
end
return found
