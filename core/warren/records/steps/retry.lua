-- KEYS: record   ARGV: fence, attempt, after_ms, error, field, value, ...
local key, fence = KEYS[1], ARGV[1]
local holds, known = standing(key, fence, 'retry')
if holds == 'again' then return 1 end
if holds == 'lost' then return 0 end
if holds == 'absent' then known = rewrite(key, ARGV, 5, fence, ARGV[2]) end
local failures = number(redis.call('HGET', key, 'failures'))
write(key, {'state', 'retrying', 'due_at', whole(NOW + tonumber(ARGV[3])), 'error', ARGV[4],
  'suspect', '0', 'lapses', '0', 'lapsed', '', 'failures', whole(failures + 1),
  'settled', settled(fence, 'retry'), stopped(known, NOW)})
return 1
