-- KEYS: record   ARGV: fence
local holds, known = standing(KEYS[1], ARGV[1], 'release')
if holds == 'again' then return 1 end
if holds ~= 'holds' then return 0 end
write(KEYS[1], stop_running({'settled', ARGV[1], 'settled_by', 'release'}, known, NOW))
return 1
