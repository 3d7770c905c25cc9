-- KEYS: record
local key = KEYS[1]
local known = look(key, 'state', 'callback_url', 'idempotency', 'life_ms')
if known.callback_url and TERMINAL[known.state] then
  local changes, left = list_webhook(key, {}), redis.call('PTTL', key)
  if left >= 0 then
    redis.call('PERSIST', key)
    if known.idempotency then redis.call('PERSIST', known.idempotency) end
    add(changes, 'life_ms', shorter(known.life_ms, left))
  end
  write(key, changes)
  redis.call('HINCRBY', key, 'webhook_claim', 1)
end
return webhook_of(key)
