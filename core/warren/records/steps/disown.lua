-- KEYS: record   ARGV: ttl_ms
redis.call('HDEL', KEYS[1], 'owner')
local state = get(KEYS[1], 'state')
if state and TERMINAL[state] then let_expire(KEYS[1], ARGV[1]) end
return 1
