-- KEYS: record
local known = look(KEYS[1], 'state', 'expires_at')
if not known.state then return false end
expire_if_late(KEYS[1], known.state, known.expires_at)
return answer('read', KEYS[1])
