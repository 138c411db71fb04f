-- GCRA for a batch of messages against nested buckets, in one round trip.
-- KEYS  the theoretical arrival time of each bucket, in microseconds: first the provider's, then those of
--       each sender ID that has its own rate, the same number of buckets for each
-- ARGV  horizon in microseconds; how many buckets a group has (the provider's are group 0); then for each
--       bucket its rate per second and its tolerance in microseconds; then for each run of equal messages
--       how many they are, the cost of one, and the group of its sender, 0 for none
-- Returns one text with the microseconds until the token of each message is due; negative - 1 means that the
-- token is due after the horizon and was not taken. A message that one group delays takes nothing from the other.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local horizon, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local taken, planned, rate, tolerance = {}, {}, {}, {}
for b = 1, #KEYS do
  taken[b] = math.max(tonumber(redis.call('GET', KEYS[b]) or 0), now)
  planned[b] = taken[b]
  rate[b] = tonumber(ARGV[2 * b + 1])
  tolerance[b] = tonumber(ARGV[2 * b + 2])
end

local function wait_in(group)
  local wait = 0
  for b = group * size + 1, (group + 1) * size do
    wait = math.max(wait, planned[b] - tolerance[b] - now)
  end
  return wait
end

local function plan(group, cost, takes)
  for b = group * size + 1, (group + 1) * size do
    planned[b] = planned[b] + cost * 1000000 / rate[b]
    if takes then taken[b] = planned[b] end
  end
end

local function ask(cost, group)
  local wait = wait_in(0)
  if group == 0 then
    plan(0, cost, wait <= horizon)
  else
    local own = wait_in(group)
    local takes = math.max(wait, own) <= horizon
    if takes or wait >= own then plan(0, cost, takes) end
    if takes or own > wait then plan(group, cost, takes) end
    wait = math.max(wait, own)
  end
  return string.format('%d', wait <= horizon and math.floor(wait) or -math.floor(wait) - 1)
end

local waits = {}
for i = 2 * #KEYS + 3, #ARGV, 3 do
  local cost, group = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  for _ = 1, tonumber(ARGV[i]) do
    waits[#waits + 1] = ask(cost, group)
  end
end
for b = 1, #KEYS do
  redis.call('SET', KEYS[b], string.format('%.0f', taken[b]), 'PX', math.ceil((taken[b] - now) / 1000) + 1000)
end
return table.concat(waits, ' ')
