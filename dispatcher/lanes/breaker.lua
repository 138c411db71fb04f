-- Adds counts to the breakers of all providers, moves breakers, and returns their states, in one round trip.
-- KEYS  for each provider its breaker and its history; then the version of the operators' overrides
-- ARGV  milliseconds of a bucket; how many buckets a window has; how many counts there are; then for each
--       provider its counts, the version that it moves from, and its new state, '' if it does not move
-- Returns the time in milliseconds, the version of the overrides, and for each provider its version, its
-- state, whether this call moved it, and its counts of the window.
-- A breaker is a hash: `version`, `standing` (its state), and a ring of buckets, each "number count count ...".
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local length, size, width = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local present = math.floor(now / length)
local ring = {}
for slot = 0, size - 1 do ring[slot + 1] = tostring(slot) end

local function read(packed)
  local numbers = {}
  for number in string.gmatch(packed or '', '%d+') do numbers[#numbers + 1] = tonumber(number) end
  return numbers
end

local result = {now, redis.call('GET', KEYS[#KEYS]) or '0'}
local next_argument = 4
for k = 1, #KEYS - 1, 2 do
  local breaker, history = KEYS[k], KEYS[k + 1]
  local counts, has_counts = {}, false
  for c = 1, width do
    counts[c] = tonumber(ARGV[next_argument])
    has_counts = has_counts or counts[c] > 0
    next_argument = next_argument + 1
  end
  local from, state = ARGV[next_argument], ARGV[next_argument + 1]
  next_argument = next_argument + 2
  local version = redis.call('HGET', breaker, 'version') or '0'
  local moved = 0
  if state ~= '' and version == from then
    redis.call('HDEL', breaker, unpack(ring))
    version = tostring(version + 1)
    redis.call('HSET', breaker, 'version', version, 'standing', state)
    redis.call('LPUSH', history, state)
    redis.call('LTRIM', history, 0, 49)
    moved = 1
  end
  if has_counts then
    local slot = tostring(present % size)
    local bucket = read(redis.call('HGET', breaker, slot))
    if bucket[1] ~= present then bucket = {present} end
    for c = 1, width do bucket[c + 1] = (bucket[c + 1] or 0) + counts[c] end
    redis.call('HSET', breaker, slot, table.concat(bucket, ' '))
  end
  local sums = {}
  for c = 1, width do sums[c] = 0 end
  for _, packed in ipairs(redis.call('HMGET', breaker, unpack(ring))) do
    local bucket = read(packed)
    if bucket[1] and bucket[1] > present - size then
      for c = 1, width do sums[c] = sums[c] + (bucket[c + 1] or 0) end
    end
  end
  result[#result + 1] = version
  result[#result + 1] = redis.call('HGET', breaker, 'standing') or ''
  result[#result + 1] = moved
  result[#result + 1] = table.concat(sums, ' ')
end
return result
