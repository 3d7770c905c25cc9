-- KEYS: record
-- A claim has noted it already where a consumer was faster than this; a write that changes nothing costs the disk as much.
local state, accepted = unpack(redis.call('HMGET', KEYS[1], 'state', 'accepted'))
if state and accepted ~= '1' then redis.call('HSET', KEYS[1], 'accepted', '1') end
return 1
