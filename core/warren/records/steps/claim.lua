-- KEYS: record   ARGV: consumer, lease_ms, alone, max_lapses, pool, field, value, ...
-- Without fields, a record that is missing is not written: 'absent' asks for them.
local key, consumer, alone, pool = KEYS[1], ARGV[1], ARGV[3] == '1', ARGV[5]

-- All of a record is read, once, as most often it is claimed: then the answer is this and what the claim changes.
local function read_all()
  local fields, known = redis.call('HGETALL', key), {}
  for at = 1, #fields, 2 do known[fields[at]] = fields[at + 1] end
  return fields, known
end

-- How long it is until the record is due; where the clock was set back since that was noted, as long as it was then.
local function early_by(due)
  if due <= NOW then return 0 end
  local noted = look(key, 'changed_at', 'submitted_at')
  local since = number(noted.changed_at or noted.submitted_at)
  if since <= NOW then return due - NOW end
  local wait = math.max(0, due - since)
  write(key, {'due_at', whole(NOW + wait), 'changed_at', whole(NOW)})
  return wait
end

local fields, known = read_all()
if not known.state then
  if not ARGV[6] then return 'absent' end
  write_new(key, 6, 'state', 'queued', 'accepted', '1', 'submitted_at', whole(NOW))
  fields, known = read_all()
  keep_open(key, known.owner, known.expires_at)
elseif not TERMINAL[known.state] and (known.accepted ~= '1' or known.pool ~= pool) then
  local moved = {'accepted', '1', 'pool', pool} -- its message may have been moved: it is put back where it came from
  write(key, moved)
  add(fields, unpack(moved))
end

if TERMINAL[known.state] then return answer('ended', key) end
if known.held == '1' then return answer('held', key) end
if expire_if_late(key, known.state, known.expires_at) then return answer('expired', key) end

if known.state == 'started' then
  local lease, longest = number(known.lease_until), NOW + tonumber(ARGV[2])
  if lease > longest then -- the clock was set back: nobody has to wait for longer than a lease lasts
    lease = longest
    write(key, {'lease_until', whole(lease)})
  end
  if lease > NOW then
    if known.consumer == consumer then return answer('adopted', key) end
    return answer('busy', key, lease - NOW)
  end
  if lease > 0 then
    local charged = known.alone == '1'
    local lapses = number(known.lapses) + (charged and 1 or 0)
    known.suspect = '1'
    write(key, stop_running({'suspect', '1', 'lapses', whole(lapses),
      'lapsed', (known.lapsed or '') .. ' ' .. known.fence .. (charged and '+' or '-')}, known, lease))
    if lapses >= tonumber(ARGV[4]) then
      finish(key, 'failed', {'error', POISON})
      return answer('poison', key)
    end
  end
end

local wait = early_by(number(known.due_at))
if wait > 0 then return answer('early', key, wait) end
if known.suspect == '1' and not alone then
  write(key, {'changed_at', whole(NOW)}) -- its message is on its way again: nobody has forgotten it
  return answer('alone', key)
end

local changes = {'state', 'started', 'consumer', consumer, 'alone', alone and '1' or '0',
  'lease_until', whole(NOW + tonumber(ARGV[2])), 'started_at', whole(NOW), 'attempt', whole(number(known.attempt) + 1),
  'fence', whole(math.max(number(known.fence) + 1, NOW_US))}
write(key, changes)
redis.call('HINCRBY', CLAIMS, pool, 1)
if known.attempt or known.due_at then
  redis.call('HDEL', key, 'progress', 'due_at')
  return answer('claimed', key)
end
return {'claimed', '0', whole(NOW), add(fields, unpack(changes))}
