-- KEYS: record   ARGV: fence, attempt, state, n, outcome's n fields and values, then those of a lost record
local key, fence = KEYS[1], ARGV[1]
local holds, known = standing(key, fence, 'finish')
if holds == 'again' then return redis.call('HGET', key, 'finished_at') end
if holds == 'lost' then return false end
local last = 4 + tonumber(ARGV[4])
if holds == 'absent' then known = rewrite(key, last + 1, fence, ARGV[2]) end
finish(key, ARGV[3], {'error', '', 'settled', fence, 'settled_by', 'finish', unpack(ARGV, 5, last)}, known)
return whole(NOW)
