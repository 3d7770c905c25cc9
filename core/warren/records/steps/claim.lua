-- KEYS: record   ARGV: consumer, lease_ms, alone, pool, field, value, ...
-- Without fields, a record that is missing is not written: 'absent' asks for them.
local key, consumer, alone, pool = KEYS[1], ARGV[1], ARGV[3] == '1', ARGV[4]

-- How long it is until the record is due; where the clock was set back since that was noted, as long as it was then.
local function early_by(known)
  local due = number(known.due_at)
  if due <= NOW then return 0 end
  local since = number(known.changed_at or known.submitted_at)
  if since <= NOW then return due - NOW end
  local wait = math.max(0, due - since)
  write(key, {'due_at', whole(NOW + wait), 'changed_at', whole(NOW)})
  return wait
end

-- All of a record is read, once, as most often it is claimed: then the answer is this and what the claim changes.
local known = read_all(key)

if not known.state then
  if not ARGV[5] then return 'absent' end
  write_new(key, ARGV, 5, 'state', 'queued', 'accepted', '1', 'submitted_at', whole(NOW))
  known = read_all(key)
  keep_open(key, known.owner, known.expires_at)
elseif not TERMINAL[known.state] and (known.accepted ~= '1' or known.pool ~= pool) then
  change(key, known, {'accepted', '1', 'pool', pool}) -- its message may have been moved: it is put back where it came from
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
    change(key, known, {'suspect', '1', 'lapses', whole(lapses),
      'lapsed', (known.lapsed or '') .. ' ' .. known.fence .. (charged and '+' or '-'), stopped(known, lease)})
    if lapses >= MAX_LAPSES then
      finish(key, 'failed', {'error', POISON})
      return answer('poison', key)
    end
  end
end

local wait = early_by(known)
if wait > 0 then return answer('early', key, wait) end
if known.suspect == '1' and not alone then
  write(key, {'changed_at', whole(NOW)}) -- its message is on its way again: nobody has forgotten it
  return answer('alone', key)
end

local changes = {'state', 'started', 'consumer', consumer, 'lease_until', whole(NOW + tonumber(ARGV[2])),
  'started_at', whole(NOW), 'attempt', whole(number(known.attempt) + 1),
  'fence', whole(math.max(number(known.fence) + 1, NOW_US))}
if alone or known.alone then add(changes, 'alone', alone and '1' or '0') end
local again = known.attempt or known.due_at
change(key, known, changes) -- first of all: a store that is full would take what deletes, and then all that follows it
if again then
  redis.call('HDEL', key, 'progress', 'due_at')
  known.progress, known.due_at = nil, nil
end
redis.call('HINCRBY', CLAIMS, pool, 1)
return tell('claimed', known)
