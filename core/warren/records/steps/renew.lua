-- KEYS: record   ARGV: fence, lease_ms, consumer, attempt, progress, field, value, ...
local key, fence = KEYS[1], ARGV[1]
local holds, known = standing(key, fence, 'renew')
if holds == 'lost' then return 'lost' end
if holds == 'absent' then known = rewrite(key, ARGV, 6, fence, ARGV[4]) end
local changes = {'fence', fence, 'consumer', ARGV[3], 'lease_until', whole(NOW + tonumber(ARGV[2]))}
if number(known.lease_until) == 0 then add(changes, 'started_at', whole(NOW)) end -- it lapsed: its time was counted then
if ARGV[5] ~= '' then add(changes, 'progress', ARGV[5]) end
write(key, changes)
return known.held == '1' and 'hand-back' or 'renewed'
