-- KEYS: record   ARGV: report, kept, progress (empty: an attempt begins), then the fields of a record that is missing
local key, report, progress = KEYS[1], ARGV[1], ARGV[3]
local known = look(key, 'state', 'lease_until', 'attempt', 'begun_by')
if not known.state then
  write_new(key, ARGV, 4, 'state', 'queued', 'submitted_at', whole(NOW))
  local new = look(key, 'owner', 'expires_at')
  keep_open(key, new.owner, new.expires_at)
elseif TERMINAL[known.state] then
  return 'already'
elseif known.state == 'started' and number(known.lease_until) > NOW then
  return 'leased'
end

-- A report may be asked for again, as its answer was lost, and may be handed over again: it begins one attempt.
local begun_by = {}
for one in string.gmatch(known.begun_by or '', '%S+') do
  if one == report then return 'begun' end
  add(begun_by, one)
end

-- A lease that lapsed stays to be seen: the next claim counts it.
local begins = progress == '' or known.state ~= 'started'
local changes = {'state', 'started', 'accepted', '1', 'changed_at', whole(NOW)}
if begins then
  redis.call('HDEL', key, 'progress', 'due_at', 'consumer')
  add(begun_by, report)
  add(changes, 'attempt', whole(number(known.attempt) + 1), 'started_at', whole(NOW),
    'begun_by', table.concat(begun_by, ' ', math.max(1, #begun_by - tonumber(ARGV[2]) + 1)))
end
if progress ~= '' then add(changes, 'progress', progress) end
write(key, changes)
return begins and 'begun' or 'noted'
