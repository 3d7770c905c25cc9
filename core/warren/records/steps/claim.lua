-- KEYS: record, due, unaccepted   ARGV: id, consumer, lease_ms, alone, max_lapses, poison_error, field, value, ...
local key, due, id, consumer, alone = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4] == '1'
if redis.call('EXISTS', key) == 0 then
  write(key, 7)
  redis.call('HSET', key, 'state', 'queued', 'submitted_at', whole(NOW))
end
redis.call('HSET', key, 'accepted', '1')
redis.call('ZREM', KEYS[3], id)

local state = get(key, 'state')
if TERMINAL[state] then return answer('ended', key) end
if get(key, 'held') == '1' then return answer('held', key) end
if expire_if_late(key, due, id) then return answer('expired', key) end

if state == 'started' then
  local lease = number(key, 'lease_until')
  if lease > NOW then
    if get(key, 'consumer') == consumer then return answer('adopted', key) end
    return answer('busy', key, lease - NOW)
  end
  if lease > 0 then
    stop_running(key, lease)
    redis.call('HSET', key, 'suspect', '1')
    if get(key, 'alone') == '1' then redis.call('HINCRBY', key, 'lapses', 1) end
    if number(key, 'lapses') >= tonumber(ARGV[5]) then
      redis.call('HSET', key, 'error', ARGV[6])
      finish(key, due, id, 'failed')
      return answer('poison', key)
    end
  end
end

local wait = number(key, 'due_at') - NOW
if wait > 0 then return answer('early', key, wait) end
if get(key, 'suspect') == '1' and not alone then return answer('alone', key) end

redis.call('HSET', key, 'state', 'started', 'consumer', consumer, 'alone', alone and '1' or '0',
  'lease_until', whole(NOW + tonumber(ARGV[3])), 'started_at', whole(NOW),
  'attempt', whole(number(key, 'attempt') + 1), 'fence', whole(math.max(number(key, 'fence') + 1, NOW_US)))
redis.call('HDEL', key, 'progress', 'due_at')
return answer('claimed', key)
