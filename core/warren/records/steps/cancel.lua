-- KEYS: record, due   ARGV: id, create, field, value, ...
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then
  if ARGV[2] ~= '1' then return false end
  write(key, 3)
  redis.call('HSET', key, 'state', 'queued', 'submitted_at', whole(NOW))
end
if not TERMINAL[get(key, 'state')] then finish(key, KEYS[2], ARGV[1], 'canceled') end
return answer('canceled', key)
