-- KEYS: record   ARGV: claim, attempt, again_ms or -1, state, how many attempts are kept
local key, attempt, again = KEYS[1], ARGV[2], tonumber(ARGV[3])
local known = look(key, 'state', 'webhook_log', 'webhook_tries', 'life_ms', 'idempotency')
if not known.state then return 0 end

-- The answer to the first time may have been lost.
local attempts = {}
for line in string.gmatch(known.webhook_log or '', '[^\n]+') do attempts[#attempts + 1] = line end
if attempts[#attempts] ~= attempt then add(attempts, attempt) end
local first = math.max(1, #attempts - tonumber(ARGV[5]) + 1)
local changes = {'webhook_log', table.concat(attempts, '\n', first)}

if give_up_claim(key, ARGV[1]) then
  add(changes, 'webhook_tries', whole(number(known.webhook_tries) + 1))
  if again >= 0 then
    redis.call('ZADD', WEBHOOKS, whole(NOW + again), id_of(key))
  else
    redis.call('ZREM', WEBHOOKS, id_of(key))
    add(changes, 'webhook_state', ARGV[4])
    if known.life_ms then let_expire(key, known.life_ms, known.idempotency) end
  end
end
write(key, changes)
return 1
