-- KEYS: record   ARGV: digest, delay_ms, expires_ms, owner, idempotency or nothing, field, value, ...
local key, idempotency = KEYS[1], ARGV[5] ~= '' and ARGV[5] or nil
if idempotency then
  local first = redis.call('GET', idempotency)
  if first and redis.call('EXISTS', TASK .. first) == 1 then key = TASK .. first end
end
if redis.call('HEXISTS', key, 'state') == 1 then
  local known = look(key, 'digest', 'accepted', 'owner', 'expires_at')
  if known.digest and known.digest ~= ARGV[1] then return answer('conflict', key) end
  if known.accepted == '1' then return answer('accepted', key) end
  -- The sweep's time begins anew with each try: it must not take a record whose message is being published once more.
  write(key, {'changed_at', whole(NOW)})
  keep_open(key, known.owner, known.expires_at)
  return answer('unaccepted', key)
end
local expires = ARGV[3] ~= '0' and whole(NOW + tonumber(ARGV[3])) or nil
local due = ARGV[2] ~= '0' and whole(NOW + tonumber(ARGV[2])) or nil
if due then add(ARGV, 'due_at', due) end
if expires then add(ARGV, 'expires_at', expires) end
if idempotency then
  redis.call('SET', idempotency, id_of(key))
  add(ARGV, 'idempotency', idempotency)
end
local now = whole(NOW)
write_new(key, ARGV, 6, 'state', 'queued', 'digest', ARGV[1], 'submitted_at', now)
keep_open(key, ARGV[4], expires)
-- Of a new record the caller knows all but the times: no need to read it back.
return {'created', due or '0', now, expires or '0'}
