-- KEYS: record   ARGV: [the task that was made from it]
local key, new = KEYS[1], ARGV[1]
local struck = redis.call('ZREM', DEAD, id_of(key)) == 1
if redis.call('HGET', key, 'state') ~= 'failed' then return false end
local before = answer('discarded', key)
-- A replay that was under way when somebody else struck it off is noted all the same: there is no other.
if new then write(key, {'replayed_as', new}) end
if not struck then return false end
redis.call('HDEL', key, 'payload', 'payload_type', 'payload_ref', 'payload_sha256')
return before
