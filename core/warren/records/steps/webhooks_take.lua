-- ARGV: limit, claim_ms
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', WEBHOOKS, '-inf', whole(NOW), 'LIMIT', 0, ARGV[1])) do
  local key = TASK .. id
  local known = look(key, 'callback_url', 'webhook_tries', 'caller')
  if known.callback_url then
    redis.call('ZADD', WEBHOOKS, whole(NOW + tonumber(ARGV[2])), id)
    local claim = redis.call('HINCRBY', key, 'webhook_claim', 1)
    taken[#taken + 1] = {id, known.callback_url, known.webhook_tries or '0', claim, known.caller or ''}
  else -- a record that is gone
    redis.call('ZREM', WEBHOOKS, id)
  end
end
return {taken, redis.call('ZCARD', WEBHOOKS)}
