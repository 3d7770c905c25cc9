-- KEYS: record   ARGV: fence
local holds = standing(KEYS[1], ARGV[1])
if holds == 'again' then return 1 end
if holds ~= 'holds' then return 0 end
stop_running(KEYS[1], NOW)
redis.call('HSET', KEYS[1], 'settled', ARGV[1])
return 1
