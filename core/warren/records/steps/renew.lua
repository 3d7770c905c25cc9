-- KEYS: record   ARGV: fence, lease_ms, consumer, attempt, progress, field, value, ...
local key, fence = KEYS[1], ARGV[1]
local holds = standing(key, fence, 'renew')
if holds == 'lost' then return 'lost' end
if holds == 'absent' then rewrite(key, 6, fence, ARGV[4]) end
redis.call('HSET', key, 'fence', fence, 'consumer', ARGV[3], 'lease_until', whole(NOW + tonumber(ARGV[2])))
if ARGV[5] ~= '' then redis.call('HSET', key, 'progress', ARGV[5]) end
return get(key, 'held') == '1' and 'hand-back' or 'renewed'
