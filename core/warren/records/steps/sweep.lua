-- KEYS: unaccepted   ARGV: prefix, older_ms, limit
local swept = {}
local late = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(NOW - tonumber(ARGV[2])), 'LIMIT', 0, ARGV[3])
for _, id in ipairs(late) do
  local key = ARGV[1] .. id
  local idempotency = get(key, 'idempotency')
  if get(key, 'state') == 'queued' and get(key, 'accepted') ~= '1' then
    redis.call('DEL', key)
    if idempotency and idempotency ~= '' then redis.call('DEL', idempotency) end
    swept[#swept + 1] = id
  end
  redis.call('ZREM', KEYS[1], id)
end
return swept
