-- ARGV: limit, [time and id after which the page begins]

-- A page tells how large the payloads are: themselves, together, they would be too much for one answer.
local function without_payload(key)
  local names, size = {}, nil
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if name == 'payload' then
      size = whole(redis.call('HSTRLEN', key, name))
    else
      names[#names + 1] = name
    end
  end
  local known = look(key, unpack(names))
  known.payload_size = size
  return tell('dead', known)
end

local rank, limit = 0, tonumber(ARGV[1])
if ARGV[2] then -- a place is found by putting something there for a moment, where nothing is
  local id, known = ARGV[3], redis.call('ZSCORE', DEAD, ARGV[3])
  if known and tonumber(known) ~= tonumber(ARGV[2]) then id = id .. '\0' end -- it is another's whole id
  local put = redis.call('ZADD', DEAD, 'NX', ARGV[2], id)
  rank = redis.call('ZREVRANK', DEAD, id)
  if put == 1 then redis.call('ZREM', DEAD, id) else rank = rank + 1 end
end
local page, found, last = redis.call('ZREVRANGE', DEAD, rank, rank + limit, 'WITHSCORES'), {}, false
local following = #page > 2 * limit and {page[#page], page[#page - 1]}
for at = 1, math.min(#page, 2 * limit), 2 do
  local id = page[at]
  last = {page[at + 1], id}
  if redis.call('EXISTS', TASK .. id) == 1 then
    found[#found + 1] = without_payload(TASK .. id)
  else
    redis.call('ZREM', DEAD, id)
  end
end
return {found, following and last, following}
