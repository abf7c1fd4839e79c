-- A token bucket: KEYS[1] holds ARGV[1] tokens at most, and gets ARGV[2] new ones a second. Takes one, and returns 0, or how many
-- milliseconds it is until there is one. ARGV[3] is the time in milliseconds; without it, it is the server's.
local size, rate = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or size, tonumber(bucket[2]) or now
-- A clock that was set back gives nothing and takes nothing.
now = math.max(now, at)
tokens = math.min(size, tokens + (now - at) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / rate) end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%d', now))
-- A full bucket needs no memory.
redis.call('PEXPIRE', KEYS[1], math.ceil((size - tokens) / rate) + 1000)
return wait
