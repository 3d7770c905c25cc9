-- KEYS: record   ARGV: fence
local holds = standing(KEYS[1], ARGV[1], 'release')
if holds == 'again' then return 1 end
if holds ~= 'holds' then return 0 end
stop_running(KEYS[1], NOW)
settle(KEYS[1], ARGV[1], 'release')
return 1
