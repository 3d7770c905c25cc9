-- KEYS: record   ARGV: fence, attempt, state, ttl_ms, n, outcome's n fields and values, then those of a lost record
-- Without these, a record that is lost is not written again: 'absent' asks for them.
-- The record's life begins here and not in a step of its own: every task would pay for that one, and a reply that
-- cannot be sent would prolong it. Its message is not yet acked: one whose ack is lost comes back at once, or within the
-- seconds that the broker takes to miss its consumer, and no life is shorter than minutes.
local key, fence = KEYS[1], ARGV[1]
local holds, known = standing(key, fence, 'finish')
if holds == 'again' then return redis.call('HGET', key, 'finished_at') end
if holds == 'lost' then return false end
local last = 5 + tonumber(ARGV[5])
if holds == 'absent' then
  if not ARGV[last + 1] then return 'absent' end
  known = rewrite(key, ARGV, last + 1, fence, ARGV[2])
end
finish(key, ARGV[3], {'settled', settled(fence, 'finish'), unpack(ARGV, 6, last)}, known, ARGV[4])
return whole(NOW)
