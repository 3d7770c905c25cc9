-- KEYS: record   ARGV: fence, attempt, after_ms, error, field, value, ...
local key, fence = KEYS[1], ARGV[1]
local holds = standing(key, fence)
if holds == 'again' then return 1 end
if holds == 'lost' then return 0 end
if holds == 'absent' then
  write(key, 5)
  redis.call('HSET', key, 'attempt', ARGV[2], 'fence', fence, 'accepted', '1', 'submitted_at', whole(NOW),
    'started_at', whole(NOW))
end
stop_running(key, NOW)
redis.call('HSET', key, 'state', 'retrying', 'due_at', whole(NOW + tonumber(ARGV[3])), 'error', ARGV[4],
  'settled', fence, 'suspect', '0', 'lapses', '0', 'failures', whole(number(key, 'failures') + 1))
return 1
