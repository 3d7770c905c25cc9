-- KEYS: record   ARGV: ttl_ms
local known = look(KEYS[1], 'state', 'expires_at', 'idempotency', 'callback_events')
if not known.state then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
if TERMINAL[known.state] then
  live(KEYS[1], ARGV[1], known)
else
  keep_open(KEYS[1], nil, known.expires_at)
end
return 1
