-- KEYS: record   ARGV: fence, lease_ms, consumer, attempt, progress, field, value, ...
local key, fence = KEYS[1], ARGV[1]
local holds = standing(key, fence)
if holds == 'lost' or holds == 'again' then return 'lost' end
if holds == 'absent' then
  write(key, 6)
  redis.call('HSET', key, 'state', 'started', 'accepted', '1', 'attempt', ARGV[4], 'submitted_at', whole(NOW),
    'started_at', whole(NOW))
end
redis.call('HSET', key, 'fence', fence, 'consumer', ARGV[3], 'lease_until', whole(NOW + tonumber(ARGV[2])))
if ARGV[5] ~= '' then redis.call('HSET', key, 'progress', ARGV[5]) end
return get(key, 'held') == '1' and 'hand-back' or 'renewed'
