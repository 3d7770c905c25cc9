-- KEYS: record, due   ARGV: id
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
expire_if_late(KEYS[1], KEYS[2], ARGV[1])
return answer('read', KEYS[1])
