-- GCRA for a chunk of messages against nested buckets, in one round trip.
-- KEYS  the theoretical arrival time of each bucket, in microseconds
-- ARGV  horizon in microseconds; then for each bucket its rate per second and its tolerance in
--       microseconds; then the cost of each message
-- Gives for each message how many microseconds until its token is there; negative - 1 means that none
-- was taken because that is beyond the horizon.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local horizon = tonumber(ARGV[1])
local taken, planned, rate, tolerance = {}, {}, {}, {}
for b = 1, #KEYS do
  taken[b] = math.max(tonumber(redis.call('GET', KEYS[b]) or 0), now)
  planned[b] = taken[b]
  rate[b] = tonumber(ARGV[2 * b])
  tolerance[b] = tonumber(ARGV[2 * b + 1])
end
local waits = {}
for i = 2 * #KEYS + 2, #ARGV do
  local wait = 0
  for b = 1, #KEYS do
    wait = math.max(wait, planned[b] - tolerance[b] - now)
  end
  for b = 1, #KEYS do
    planned[b] = planned[b] + tonumber(ARGV[i]) * 1000000 / rate[b]
    if wait <= horizon then taken[b] = planned[b] end
  end
  waits[#waits + 1] = wait <= horizon and math.floor(wait) or -math.floor(wait) - 1
end
for b = 1, #KEYS do
  redis.call('SET', KEYS[b], string.format('%.0f', taken[b]), 'PX', math.ceil((taken[b] - now) / 1000) + 1000)
end
return waits
