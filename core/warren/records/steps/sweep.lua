-- ARGV: unaccepted_ms, stale_ms, limit
local unaccepted, stale_after, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local looked, deleted, expired, stale = 0, {}, {}, {}

local function look_again(id, known, at)
  local late = number(known.expires_at)
  if known.state ~= 'started' and late > 0 and late < at then at = late end
  redis.call('ZADD', OPEN, whole(at), id)
end

local function delete(id, known)
  redis.call('DEL', TASK .. id)
  if known.idempotency then redis.call('DEL', known.idempotency) end
  redis.call('ZREM', OPEN, id)
  deleted[#deleted + 1] = id
end

local function see_to(id, key)
  local known = look(key, 'state', 'accepted', 'held', 'lease_until', 'due_at', 'expires_at', 'submitted_at',
    'changed_at', 'idempotency')
  local tried = math.max(number(known.submitted_at), number(known.changed_at))
  local new = known.state == 'queued' and known.accepted ~= '1'
  if not known.state or TERMINAL[known.state] then
    redis.call('ZREM', OPEN, id)
  elseif new and NOW - tried >= unaccepted then
    delete(id, known)
  elseif expire_if_late(key, known.state, known.expires_at) then
    expired[#expired + 1] = id
  elseif new then
    look_again(id, known, tried + unaccepted)
  else
    local since = math.max(tried, number(known.lease_until), number(known.due_at))
    if known.held ~= '1' and NOW - since >= stale_after then stale[#stale + 1] = answer('stale', key) end
    look_again(id, known, NOW + stale_after)
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', OPEN, '-inf', whole(NOW), 'LIMIT', 0, limit)) do
  looked = looked + 1
  see_to(id, TASK .. id)
end

-- Dead letters whose life has run out stand at the end that nobody may ever look at.
for _, id in ipairs(redis.call('ZRANGE', DEAD, 0, limit - 1)) do
  if redis.call('EXISTS', TASK .. id) == 1 then break end
  redis.call('ZREM', DEAD, id)
end
return {looked, deleted, expired, stale}
