-- GCRA for the requests of one moment, in order, each against its own bucket.
-- KEYS  for each request the time at which its bucket is full again, in microseconds; a missing key means full
-- ARGV  for each: microseconds until one request is refilled; requests that the bucket holds; its cost
-- Returns for each the microseconds until the bucket is full again, and until the request may be made:
-- 0 if it was taken. Cost 0 takes nothing and returns what a request of cost 1 would get.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local result = {}
for i = 1, #KEYS do
  local interval, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i])
  local burst = interval * tonumber(ARGV[3 * i - 1])
  -- At most what the bucket holds: the limit may have been lowered, or the clock set back.
  local owed = math.min(math.max(tonumber(redis.call('GET', KEYS[i]) or 0) - now, 0), burst)
  local wait = math.max(owed + math.max(cost, 1) * interval - burst, 0)
  if wait == 0 and cost > 0 then
    owed = owed + cost * interval
    redis.call('SET', KEYS[i], string.format('%.0f', now + owed), 'PX', math.ceil(owed / 1000))
  end
  result[2 * i - 1], result[2 * i] = owed, wait
end
return result
