-- KEYS: record   ARGV: fence, attempt, after_ms, error, field, value, ...
local key, fence = KEYS[1], ARGV[1]
local holds = standing(key, fence, 'retry')
if holds == 'again' then return 1 end
if holds == 'lost' then return 0 end
if holds == 'absent' then rewrite(key, 5, fence, ARGV[2]) end
stop_running(key, NOW)
redis.call('HSET', key, 'state', 'retrying', 'due_at', whole(NOW + tonumber(ARGV[3])), 'error', ARGV[4],
  'suspect', '0', 'lapses', '0', 'failures', whole(number(key, 'failures') + 1))
settle(key, fence, 'retry')
return 1
