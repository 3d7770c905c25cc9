-- ARGV: pools
return redis.call('HMGET', CLAIMS, unpack(ARGV))
