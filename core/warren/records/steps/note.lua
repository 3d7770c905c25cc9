-- KEYS: record   ARGV: progress (empty: an attempt begins), then the fields of a record that is missing
local key, progress = KEYS[1], ARGV[1]
local known = look(key, 'state', 'lease_until', 'attempt')
if not known.state then
  write_new(key, 2, 'state', 'queued', 'submitted_at', whole(NOW))
  local new = look(key, 'owner', 'expires_at')
  keep_open(key, new.owner, new.expires_at)
elseif TERMINAL[known.state] then
  return 'already'
elseif known.state == 'started' and number(known.lease_until) > NOW then
  return 'leased'
end
-- A lease that lapsed stays to be seen: the next claim counts it.
local begins = progress == '' or known.state ~= 'started'
local changes = {'state', 'started', 'accepted', '1', 'changed_at', whole(NOW)}
if begins then
  redis.call('HDEL', key, 'progress', 'due_at', 'consumer')
  add(changes, 'attempt', whole(number(known.attempt) + 1), 'started_at', whole(NOW))
end
if progress ~= '' then add(changes, 'progress', progress) end
write(key, changes)
return begins and 'begun' or 'noted'
