-- KEYS: record   ARGV: state, n, outcome's n fields and values, then those of a record that is missing
local key, last = KEYS[1], 2 + tonumber(ARGV[2])
local known = look(key, 'state', 'lease_until', 'attempt')
if not known.state then
  write_new(key, ARGV, last + 1, 'state', 'queued', 'submitted_at', whole(NOW))
elseif TERMINAL[known.state] then
  return 'already'
elseif known.state == 'started' and number(known.lease_until) > NOW then
  return 'leased'
end
finish(key, ARGV[1], {'error', '', 'attempt', whole(math.max(1, number(known.attempt))), unpack(ARGV, 3, last)})
return 'ended'
