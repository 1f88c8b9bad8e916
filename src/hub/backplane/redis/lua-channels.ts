import { LUA_ACCOUNTS, LUA_ROOM } from './lua-accounts.js';

/**
 * What every script begins with. KEYS[1] is `{prefix}:meta`; its hash tag keeps all keys on one master of a cluster.
 *
 * A channel is one list: its first element is a header (`FORM`), the others are its events, oldest first, each with
 * offset and time in front. One key, and one small allocation for a small channel, is what a million of them need.
 */
export const LUA_CHANNELS = `
local META = KEYS[1]
local P = string.sub(META, 1, -5)
local FORM = '<dddddddddBc6'
local HEADER_BYTES = 79
local HOUR = 3600000

local function clockMs()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Decimal, as a number's own text would lose digits.
local function text(number)
  return string.format('%.0f', number)
end

local function runId()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
end

local function readMeta()
  local raw = redis.call('HMGET', META, 'epoch', 'head', 'time', 'lostOffset', 'lostTime', 'run')
  return {
    epoch = raw[1], head = tonumber(raw[2] or 0), time = math.max(clockMs(), tonumber(raw[3] or 0)),
    lostOffset = tonumber(raw[4] or 0), lostTime = tonumber(raw[5] or 0), run = raw[6],
  }
end

${LUA_ACCOUNTS}
local function channelKey(name) return P .. 'c:' .. name end
local function keysKey(name) return P .. 'k:' .. name end
local function latestKey(name) return P .. 'l:' .. name end
local function offsetsKey(name) return P .. 'o:' .. name end
-- Hashes of what was published under an idempotency key, where the event itself may be replaced.
local function printsKey(name) return P .. 'f:' .. name end

local function readChannel(name)
  local key = channelKey(name)
  -- A number would be printed as a floating one, which takes longer than the command.
  local raw = redis.call('LINDEX', key, '0')
  if not raw then return nil end
  -- A version before this one wrote no owner.
  if #raw < HEADER_BYTES then raw = raw .. NOBODY end
  local head, headTime, evicted, evictedTime, bytes, endedAt, count, oldestTime, expireAt, flags, owner =
    struct.unpack(FORM, raw)
  return {
    name = name, key = key, head = head, headTime = headTime, evicted = evicted, evictedTime = evictedTime, bytes = bytes,
    endedAt = endedAt, count = count, oldestTime = oldestTime, expireAt = expireAt, hasKeys = flags % 2 == 1,
    isLatest = flags % 4 >= 2, isOpened = flags >= 4, owner = owner,
  }
end

local function newChannel(name, meta)
  local lostOffset, lostTime = lossOf(name, meta)
  return {
    name = name, key = channelKey(name), head = lostOffset, headTime = 0, evicted = lostOffset, evictedTime = lostTime,
    bytes = 0, endedAt = 0, count = 0, oldestTime = 0, expireAt = 0, hasKeys = false, isLatest = false, isNew = true,
    isOpened = false, owner = NOBODY,
  }
end

local function headerOf(c)
  return struct.pack(FORM, c.head, c.headTime, c.evicted, c.evictedTime, c.bytes, c.endedAt, c.count,
    c.oldestTime, c.expireAt, (c.hasKeys and 1 or 0) + (c.isLatest and 2 or 0) + (c.isOpened and 4 or 0), c.owner)
end

-- A channel that no node looks after any more goes an hour later by itself.
local function keepAlive(c, now, age)
  if c.expireAt - now > age + HOUR / 2 then return end
  c.expireAt = now + age + HOUR
  c.isExpiring = true
end

local function writeHeader(c)
  local key = c.key
  if c.isNew then redis.call('RPUSH', key, headerOf(c)) else redis.call('LSET', key, '0', headerOf(c)) end
  c.isNew = false
  if not c.isExpiring then return end
  c.isExpiring = false
  redis.call('PEXPIREAT', key, text(c.expireAt))
  if c.hasKeys then redis.call('PEXPIREAT', keysKey(c.name), text(c.expireAt)) end
  if c.isLatest then
    redis.call('PEXPIREAT', latestKey(c.name), text(c.expireAt))
    redis.call('PEXPIREAT', offsetsKey(c.name), text(c.expireAt))
    redis.call('PEXPIREAT', printsKey(c.name), text(c.expireAt))
  end
end

local function createChannel(c, now, limits)
  keepAlive(c, now, limits.age)
  charge(c, 1)
  writeHeader(c)
  redis.call('ZADD', P .. 'channels', 0, c.name)
  redis.call('ZADD', P .. 'due', text(now + limits.due), c.name)
end

local function offsetAndTime(record)
  return struct.unpack('<dd', record)
end

local function isOver(c, now, limits)
  if c.count == 0 then return false end
  if c.count > limits.events or c.bytes > limits.bytes then return true end
  -- The newest of a key stays true however old it is; until the channel has ended.
  if limits.age == 0 or (c.isLatest and c.endedAt == 0) then return false end
  return c.oldestTime < now - limits.age
end

-- Forgets the keys of what was given up.
local function dropKeys(c)
  local key = keysKey(c.name)
  if c.isLatest then
    for _, gone in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', text(c.evicted))) do
      redis.call('HDEL', printsKey(c.name), gone)
    end
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(c.evicted))
end

-- Gives up what is over the limits; true where the header must be written.
local function trim(c, now, limits)
  local key = c.key
  local victims, from = 0, 1
  while isOver(c, now, limits) do
    local chunk = redis.call('LRANGE', key, from, from + 15)
    if #chunk == 0 then break end
    for at = 1, #chunk do
      c.oldestTime = select(2, offsetAndTime(chunk[at]))
      if not isOver(c, now, limits) then break end
      c.evicted, c.evictedTime = offsetAndTime(chunk[at])
      c.bytes = c.bytes - #chunk[at]
      c.count = c.count - 1
      victims = victims + 1
    end
    from = from + 16
  end
  if victims == 0 then return false end
  if c.count > 0 then c.oldestTime = select(2, offsetAndTime(redis.call('LINDEX', key, victims + 1))) end
  -- The last victim's place becomes the header's.
  redis.call('LTRIM', key, victims, -1)
  if c.hasKeys then dropKeys(c) end
  if c.isLatest then redis.call('ZREMRANGEBYSCORE', latestKey(c.name), '-inf', text(c.evicted)) end
  return true
end

-- Index of the first event for which the test holds, by halving; one behind the last where it holds for none.
local function search(c, holds)
  local key = c.key
  local low, high = 1, c.count + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holds(offsetAndTime(redis.call('LINDEX', key, middle))) then high = middle else low = middle + 1 end
  end
  return low
end

-- Lets go of a channel that nothing is left to remember for; its mark stays for who resumes it.
local function forget(c, meta)
  rememberLoss(c.name, c.evicted, c.evictedTime, meta)
  charge(c, -1)
  redis.call('DEL', c.key, keysKey(c.name), latestKey(c.name), offsetsKey(c.name), printsKey(c.name))
  redis.call('ZREM', P .. 'channels', c.name)
  redis.call('ZREM', P .. 'due', c.name)
end

local function release(name, meta, limits)
  local c = readChannel(name)
  if not c then
    -- It expired while no node was there: nobody knows how far it had come.
    if redis.call('ZREM', P .. 'channels', name) == 1 then rememberLoss(name, meta.head, meta.time, meta) end
    redis.call('ZREM', P .. 'due', name)
    return nil
  end
  if trim(c, meta.time, limits) then writeHeader(c) end
  local isOver = c.endedAt == 0 or c.endedAt < meta.time - limits.age
  if c.count == 0 and isOver then forget(c, meta) return nil end
  return c
end

${LUA_ROOM}
-- History (events, bytes, age) and the time to live of a quiet channel (0: it lives on).
local function limitsAt(at)
  local age, ttl = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  return {
    events = tonumber(ARGV[at]), bytes = tonumber(ARGV[at + 1]), age = age, ttl = ttl,
    due = ttl > 0 and math.min(age, ttl) or age,
  }
end
`;
