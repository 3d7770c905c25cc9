-- KEYS: record, unaccepted, [idempotency]   ARGV: id, digest, prefix, delay_ms, expires_ms, field, value, ...

-- The sweep's time begins, anew with each try: it must not take a record whose message is being published once more.
-- An MLJob's record is never swept.
local function await_acceptance(key, unaccepted)
  local owner = get(key, 'owner')
  if not owner or owner == '' then redis.call('ZADD', unaccepted, whole(NOW), get(key, 'id')) end
end

local key = KEYS[1]
if KEYS[3] then
  local known = redis.call('GET', KEYS[3])
  if known and redis.call('EXISTS', ARGV[3] .. known) == 1 then key = ARGV[3] .. known end
end
if redis.call('EXISTS', key) == 1 then
  local digest = get(key, 'digest')
  if digest and digest ~= ARGV[2] then return answer('conflict', key) end
  if get(key, 'accepted') == '1' then return answer('accepted', key) end
  await_acceptance(key, KEYS[2])
  return answer('unaccepted', key)
end
write(key, 6)
redis.call('HSET', key, 'state', 'queued', 'digest', ARGV[2], 'submitted_at', whole(NOW))
if ARGV[4] ~= '0' then redis.call('HSET', key, 'due_at', whole(NOW + tonumber(ARGV[4]))) end
if ARGV[5] ~= '0' then redis.call('HSET', key, 'expires_at', whole(NOW + tonumber(ARGV[5]))) end
await_acceptance(key, KEYS[2])
if KEYS[3] then
  redis.call('SET', KEYS[3], ARGV[1])
  redis.call('HSET', key, 'idempotency', KEYS[3])
end
return answer('created', key)
