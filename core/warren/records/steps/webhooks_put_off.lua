-- ARGV: after_ms, id, claim, ...
for at = 2, #ARGV, 2 do
  if give_up_claim(TASK .. ARGV[at], ARGV[at + 1]) then
    redis.call('ZADD', WEBHOOKS, whole(NOW + tonumber(ARGV[1])), ARGV[at])
  end
end
return 1
