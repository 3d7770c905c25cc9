-- KEYS: record, due   ARGV: id, ttl_ms
redis.call('ZREM', KEYS[2], ARGV[1])
local state, owner = get(KEYS[1], 'state'), get(KEYS[1], 'owner')
if state and TERMINAL[state] and (not owner or owner == '') and redis.call('PTTL', KEYS[1]) < 0 then
  let_expire(KEYS[1], ARGV[2])
end
return 1
