-- KEYS: record   ARGV: fence
local holds, known = standing(KEYS[1], ARGV[1], 'release')
if holds == 'again' then return 1 end
if holds ~= 'holds' then return 0 end
write(KEYS[1], {'settled', settled(ARGV[1], 'release'), stopped(known, NOW)})
return 1
