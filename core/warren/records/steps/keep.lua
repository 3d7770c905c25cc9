-- KEYS: record   ARGV: the payload's fields and values
local kept = look(KEYS[1], 'payload', 'payload_ref')
if kept.payload or kept.payload_ref or not redis.call('ZSCORE', DEAD, id_of(KEYS[1])) then return 0 end
write(KEYS[1], ARGV)
return 1
