-- KEYS: record   ARGV: error, state, attempt, fence, lease_until, due_at, changed_at
local known = look(KEYS[1], 'state', 'attempt', 'fence', 'lease_until', 'due_at', 'changed_at')
if not known.state or TERMINAL[known.state] or known.state ~= ARGV[2] or number(known.lease_until) > NOW then return 0 end
for at, name in ipairs({'attempt', 'fence', 'lease_until', 'due_at', 'changed_at'}) do
  if number(known[name]) ~= tonumber(ARGV[2 + at]) then return 0 end
end
finish(KEYS[1], 'failed', {'error', ARGV[1]})
return 1
