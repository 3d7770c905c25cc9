-- What every step shares. Times are milliseconds of the store's own clock; numbers are written in full, never as 1e+15.
local TERMINAL = {succeeded = true, failed = true, canceled = true, expired = true}
local clock = redis.call('TIME')
local NOW = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local NOW_US = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function whole(number) return string.format('%.0f', number) end

local function get(key, field) return redis.call('HGET', key, field) end

local function number(key, field) return tonumber(get(key, field) or '0') or 0 end

local function write(key, first)
  if first <= #ARGV then redis.call('HSET', key, unpack(ARGV, first)) end
end

local function answer(verdict, key, wait)
  return {verdict, whole(wait or 0), whole(NOW), redis.call('HGETALL', key)}
end

-- A lease's end: the time that the attempt ran is added up, so that deadlines count running time alone.
local function stop_running(key, at)
  local ran = number(key, 'running_ms') + math.max(0, at - number(key, 'started_at'))
  redis.call('HSET', key, 'running_ms', whole(ran), 'lease_until', '0')
end

-- The one way in which a record ends: terminal state, time, and its place in the list of what is due to be told.
local function finish(key, due, id, state)
  if get(key, 'state') == 'started' and number(key, 'lease_until') > 0 then stop_running(key, NOW) end
  redis.call('HSET', key, 'state', state, 'finished_at', whole(NOW), 'accepted', '1', 'held', '0')
  redis.call('ZADD', due, whole(NOW), id)
end

local function expire_if_late(key, due, id)
  local state, late = get(key, 'state'), number(key, 'expires_at')
  if (state == 'queued' or state == 'retrying') and late > 0 and late <= NOW then
    finish(key, due, id, 'expired')
    return true
  end
  return false
end

-- Whether the bearer of the fence may still write. A lost answer makes the adapter ask again: the step by which this
-- fence has settled counts as done ('again'), and no other step may follow it.
local function standing(key, fence, step)
  local state = get(key, 'state')
  if not state then return 'absent' end
  if get(key, 'settled') == fence then return get(key, 'settled_by') == step and 'again' or 'lost' end
  if TERMINAL[state] or number(key, 'fence') > tonumber(fence) or state ~= 'started' then return 'lost' end
  return 'holds'
end

local function settle(key, fence, step) redis.call('HSET', key, 'settled', fence, 'settled_by', step) end

-- A record that the store forgot while its task was at work.
local function rewrite(key, first, fence, attempt)
  write(key, first)
  redis.call('HSET', key, 'state', 'started', 'accepted', '1', 'attempt', attempt, 'fence', fence,
    'submitted_at', whole(NOW), 'started_at', whole(NOW))
end

local function let_expire(key, ttl)
  redis.call('PEXPIRE', key, ttl)
  local idempotency = get(key, 'idempotency')
  if idempotency and idempotency ~= '' then redis.call('PEXPIRE', idempotency, ttl) end
end
