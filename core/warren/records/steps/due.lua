-- KEYS: due   ARGV: older_ms, limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(NOW - tonumber(ARGV[1])), 'LIMIT', 0, ARGV[2])
