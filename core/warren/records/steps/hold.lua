-- KEYS: record   ARGV: held
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
if not TERMINAL[get(KEYS[1], 'state')] then redis.call('HSET', KEYS[1], 'held', ARGV[1]) end
return answer('held', KEYS[1])
