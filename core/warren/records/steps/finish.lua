-- KEYS: record, due   ARGV: id, fence, attempt, state, n, outcome's n fields and values, then those of a lost record
local key, fence = KEYS[1], ARGV[2]
local holds = standing(key, fence, 'finish')
if holds == 'again' then return 1 end
if holds == 'lost' then return 0 end
local last = 5 + tonumber(ARGV[5])
if holds == 'absent' then rewrite(key, last + 1, fence, ARGV[3]) end
redis.call('HDEL', key, 'error')
if last > 5 then redis.call('HSET', key, unpack(ARGV, 6, last)) end
finish(key, KEYS[2], ARGV[1], ARGV[4])
settle(key, fence, 'finish')
return 1
