-- KEYS: record   ARGV: create, field, value, ...
local key = KEYS[1]
local state = redis.call('HGET', key, 'state')
if not state then
  if ARGV[1] ~= '1' then return false end
  write_new(key, ARGV, 2, 'state', 'queued', 'submitted_at', whole(NOW))
end
if not TERMINAL[state] then finish(key, 'canceled', {}) end
return answer('canceled', key)
