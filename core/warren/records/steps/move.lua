-- KEYS: record   ARGV: pool
local known = look(KEYS[1], 'state', 'lease_until')
if not known.state or TERMINAL[known.state] or number(known.lease_until) > NOW then return 0 end
write(KEYS[1], {'pool', ARGV[1], 'changed_at', whole(NOW)})
return 1
