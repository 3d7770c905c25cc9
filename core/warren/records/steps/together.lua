-- Runs `step` for each of several records, whose clock, definitions and way to the disk are then paid for once.
-- KEYS: records   ARGV: for each of them, how many arguments are its own, and these
-- What goes wrong with one is its own answer: the others go on.
local answers, at = {}, 1
for place, key in ipairs(KEYS) do
  local last = at + tonumber(ARGV[at])
  local done, answered = pcall(step, {key}, {unpack(ARGV, at + 1, last)})
  if not done then answered = redis.error_reply(type(answered) == 'table' and answered.err or answered) end
  answers[place], at = answered, last + 1
end
return answers
