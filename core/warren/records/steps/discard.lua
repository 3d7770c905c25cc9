-- KEYS: record   ARGV: [the task that was made from it]
if redis.call('ZREM', DEAD, id_of(KEYS[1])) == 0 or redis.call('EXISTS', KEYS[1]) == 0 then return false end
local before = answer('discarded', KEYS[1])
redis.call('HDEL', KEYS[1], 'payload', 'payload_type', 'payload_ref', 'payload_sha256')
if ARGV[1] then write(KEYS[1], {'replayed_as', ARGV[1]}) end
return before
