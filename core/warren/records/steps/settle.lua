-- KEYS: record, due   ARGV: id, ttl_ms
redis.call('ZREM', KEYS[2], ARGV[1])
local state, owner = get(KEYS[1], 'state'), get(KEYS[1], 'owner')
if state and TERMINAL[state] and (not owner or owner == '') then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > tonumber(ARGV[2]) then let_expire(KEYS[1], ARGV[2]) end
end
return 1
