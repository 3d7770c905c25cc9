-- What the steps share; before each stands what it uses of it, each definition found by its name at a line's beginning.
-- Times are milliseconds of the store's own clock; numbers are written in full, never as 1e+15.
-- Every redis.call costs, on a path that all tasks take: what is read is read in one call, and so is what is written.
-- Before this stand the names that the adapter knows too: TASK, DUE, OPEN, DEAD, WEBHOOKS, CLAIMS, POISON, MAX_LAPSES and
-- UNACCEPTED_MS.
local TERMINAL = {succeeded = true, failed = true, canceled = true, expired = true}
local clock = redis.call('TIME')
local NOW_US = clock[1] * 1000000 + clock[2]
local NOW = math.floor(NOW_US / 1000)

-- %d is a long, which every number here fits; %.0f says the same and takes twice as long.
local function whole(number) return string.format('%d', number) end

local function number(field) return tonumber(field or 0) or 0 end

local function id_of(key) return string.sub(key, #TASK + 1) end

local function look(key, ...)
  local names, values, found = {...}, redis.call('HMGET', key, ...), {}
  for at = 1, #names do
    if values[at] then found[names[at]] = values[at] end -- most are not there: a table that need not grow costs less
  end
  return found
end

local function add(changes, ...)
  local words, last = {...}, #changes
  for at = 1, #words do changes[last + at] = words[at] end
  return changes
end

local function write(key, changes) redis.call('HSET', key, unpack(changes)) end

-- As `write`, into what is known of the record as well.
local function change(key, known, changes)
  write(key, changes)
  for at = 1, #changes, 2 do known[changes[at]] = changes[at + 1] end
end

-- The fields of a record that its task alone determines, `said` from `first` on, and what else there is of a new one.
local function write_new(key, said, first, ...) redis.call('HSET', key, unpack(add(said, ...), first)) end

local function read_all(key)
  local fields, known = redis.call('HGETALL', key), {}
  for at = 1, #fields, 2 do known[fields[at]] = fields[at + 1] end
  return known
end

-- A record goes out as one JSON document: field by field it would cost as much again as reading it. Beside it goes what
-- need not be text.
local function tell(verdict, known, wait)
  local result, payload = known.result or false, known.payload or false
  if result then known.result = nil end
  if payload then known.payload = nil end
  return {verdict, whole(wait or 0), whole(NOW), cjson.encode(known), result, payload}
end

local function answer(verdict, key, wait) return tell(verdict, read_all(key), wait) end

-- When the sweep looks at a record that is not over. Those that MLJobs own are their operator's to see to.
local function keep_open(key, owner, expires)
  if owner and owner ~= '' then return end
  local at, late = NOW + UNACCEPTED_MS, number(expires)
  if late > 0 and late < at then at = late end
  redis.call('ZADD', OPEN, whole(at), id_of(key))
end

-- What a lease's end changes: the time that the attempt ran is added up, so that deadlines count running time alone.
local function stopped(known, at)
  if number(known.lease_until) == 0 then return end
  local ran = number(known.running_ms) + math.max(0, at - number(known.started_at))
  return 'running_ms', whole(ran), 'lease_until', '0', 'changed_at', whole(NOW)
end

-- Says that a record's receiver is to be told from now on. Until that is over, the record lives.
local function list_webhook(key, changes)
  redis.call('ZADD', WEBHOOKS, whole(NOW), id_of(key))
  return add(changes, 'webhook_state', 'pending', 'webhook_tries', '0')
end

-- The shorter of two lives counts.
local function shorter(life, ttl) return whole(math.min(number(life) > 0 and number(life) or math.huge, tonumber(ttl))) end

local function let_expire(key, ttl, idempotency)
  redis.call('PEXPIRE', key, ttl, 'LT')
  if idempotency then redis.call('PEXPIRE', idempotency, ttl, 'LT') end
end

-- Lets a record's life begin to run out, once its webhook is over.
local function live(key, ttl, known)
  if known.callback_events and redis.call('ZSCORE', WEBHOOKS, id_of(key)) then
    write(key, {'life_ms', shorter(redis.call('HGET', key, 'life_ms'), ttl)})
  else
    let_expire(key, ttl, known.idempotency)
  end
end

-- The one way in which a record ends: terminal state, time, its place in the list of what is due to be told, and among
-- the dead letters if it failed. `known` is what has been read already. With `ttl` its life begins to run out now,
-- unless it is owned, and there is no place among what is due if no reply is wanted.
local function finish(key, state, changes, known, ttl)
  local id = id_of(key)
  known = known or look(key, 'state', 'owner', 'held', 'lease_until', 'started_at', 'running_ms', 'callback_events')
  if known.state == 'started' then add(changes, stopped(known, NOW)) end
  local told = known.callback_events
  if told and string.find(' ' .. told .. ' ', ' ' .. state .. ' ', 1, true) then list_webhook(key, changes) end
  if known.state ~= 'started' then add(changes, 'accepted', '1') end -- what was started has been
  if known.held == '1' then add(changes, 'held', '0') end
  redis.call('HSET', key, 'state', state, 'finished_at', whole(NOW), unpack(changes))
  local owned = known.owner and known.owner ~= ''
  if not ttl or known.reply_to then redis.call('ZADD', DUE, whole(NOW), id) end
  if owned then return end
  if ttl then live(key, ttl, known) end
  redis.call('ZREM', OPEN, id)
  if state == 'failed' then redis.call('ZADD', DEAD, whole(NOW), id) end
end

local function expire_if_late(key, state, expires)
  local late = number(expires)
  if (state == 'queued' or state == 'retrying') and late > 0 and late <= NOW then
    finish(key, 'expired', {})
    return true
  end
  return false
end

-- A lapse is written down as the fence that lapsed, with '+' if it was charged. When the bearer of that fence comes back
-- it did not die of the task, it was frozen or cut off: the lapse is taken back, and with the last one the suspicion.
local function take_back(key, fence, lapsed)
  local left, found = string.gsub(lapsed, ' ' .. fence .. '[+-]', '')
  if found == 0 then return end
  write(key, {'lapsed', left, 'suspect', left == '' and '0' or '1'})
  if string.find(lapsed, ' ' .. fence .. '+', 1, true) then redis.call('HINCRBY', key, 'lapses', -1) end
end

-- What a record keeps of the newest fence that settled: which, and by which step. Its bearer alone asks for that.
local function settled(fence, step) return fence .. ' ' .. step end

-- Whether the bearer of the fence may still write. A lost answer makes the adapter ask again: the step by which this
-- fence has settled counts as done ('again'), and no other step may follow it.
local function standing(key, fence, step)
  local known = look(key, 'state', 'fence', 'settled', 'lapsed', 'owner', 'held', 'lease_until', 'started_at',
    'running_ms', 'reply_to', 'callback_events', 'idempotency')
  if not known.state then return 'absent' end
  if known.settled and string.find(known.settled, fence .. ' ', 1, true) == 1 then
    return known.settled == settled(fence, step) and 'again' or 'lost'
  end
  if TERMINAL[known.state] then return 'lost' end
  if known.lapsed then take_back(key, fence, known.lapsed) end
  if number(known.fence) > tonumber(fence) or known.state ~= 'started' then return 'lost' end
  return 'holds', known
end

-- A record that the store forgot while its task was at work.
local function rewrite(key, said, first, fence, attempt)
  write_new(key, said, first, 'state', 'started', 'accepted', '1', 'attempt', attempt, 'fence', fence,
    'submitted_at', whole(NOW), 'started_at', whole(NOW))
  local known = look(key, 'state', 'owner', 'expires_at', 'reply_to', 'callback_events')
  keep_open(key, known.owner, known.expires_at)
  return known
end

-- Whether the claim of a webhook is the newest one. From now on it is not.
local function give_up_claim(key, claim)
  if not redis.call('ZSCORE', WEBHOOKS, id_of(key)) then return false end
  if number(redis.call('HGET', key, 'webhook_claim')) ~= tonumber(claim) then return false end
  redis.call('HINCRBY', key, 'webhook_claim', 1)
  return true
end

-- What is known of a record's webhook; false where none was asked for.
local function webhook_of(key)
  local known = look(key, 'state', 'callback_url', 'webhook_state', 'webhook_log')
  if not known.state or not known.callback_url then return false end
  local at = redis.call('ZSCORE', WEBHOOKS, id_of(key))
  return {known.state, known.webhook_state or '', known.webhook_log or '', at and whole(tonumber(at)) or '0'}
end
