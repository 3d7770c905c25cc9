-- KEYS: record   ARGV: ttl_ms
local known = look(KEYS[1], 'state', 'expires_at', 'idempotency')
if not known.state then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
if TERMINAL[known.state] then
  let_expire(KEYS[1], ARGV[1], known.idempotency)
else
  keep_open(KEYS[1], nil, known.expires_at)
end
return 1
