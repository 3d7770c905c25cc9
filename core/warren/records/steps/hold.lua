-- KEYS: record   ARGV: held
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return false end
if not TERMINAL[state] then write(KEYS[1], {'held', ARGV[1], 'changed_at', whole(NOW)}) end
return answer('held', KEYS[1])
