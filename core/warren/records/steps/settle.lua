-- KEYS: record   ARGV: ttl_ms, told
if ARGV[2] == '1' then redis.call('ZREM', DUE, id_of(KEYS[1])) end
local known = look(KEYS[1], 'state', 'owner', 'idempotency', 'callback_events')
local owned = known.owner and known.owner ~= ''
if TERMINAL[known.state] and not owned then live(KEYS[1], ARGV[1], known) end
return 1
