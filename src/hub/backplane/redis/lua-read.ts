/**
 * Where a node stands when it comes, or comes back: ARGV is the epoch, head and run that it remembers, and an epoch to
 * begin where one is needed. Offsets are never used twice: a Redis that was started anew may have lost what it had
 * acknowledged, so it goes on far above; where a node remembers more than it held, another epoch begins.
 * Answers epoch, head, run, time, and when the epoch began.
 */
export const LUA_SYNC = `
local JUMP = 16777216
local knownEpoch, knownHead, knownRun, fresh = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local run = runId()
local raw = redis.call('HMGET', META, 'epoch', 'head', 'run', 'previousRun', 'restartHead')
local epoch, head, lastRun = raw[1], tonumber(raw[2] or 0), raw[3]
local previousRun, restartHead = raw[4], tonumber(raw[5] or 0)
if not epoch then
  epoch, lastRun, previousRun, restartHead = fresh, run, run, 0
elseif lastRun ~= run then
  previousRun, restartHead, lastRun = lastRun, head, run
  head = head + JUMP
end
if knownEpoch == epoch then
  local hasLost = true
  if knownRun == run then hasLost = head < knownHead
  elseif knownRun == previousRun then hasLost = restartHead < knownHead end
  if hasLost then epoch = fresh end
end
-- Who stays connected to a node that remembers another epoch goes on behind it, and has a gap before that.
head = math.max(head, epoch == knownEpoch and knownHead or knownHead == 0 and 0 or knownHead + 1)
redis.call('HSET', META, 'epoch', epoch, 'head', text(head), 'run', run, 'previousRun', previousRun or '',
  'restartHead', text(restartHead))
local meta = readMeta()
-- Of one that a version before this began, nobody knows: better too late than too early.
if epoch == fresh then redis.call('HSET', META, 'began', text(meta.time)) else redis.call('HSETNX', META, 'began', text(meta.time)) end
return { epoch, text(head), run, text(meta.time), redis.call('HGET', META, 'began') }
`;

/**
 * Histories of channels: ARGV is the most bytes, then for each channel its name and the offset that is had already.
 * Answers epoch and head, then for each channel its header, or nothing where there is none and offset and time of what it lost (behind
 * the header, the offsets of its newest events, where some of them are replaced), and the events behind the offset as far as the bytes reach; channels that are left out have to be asked for again.
 */
export const LUA_READ = `
local meta = readMeta()
local left = tonumber(ARGV[1])
local answers = { meta.epoch or '', text(meta.head) }

local function read(name, after)
  local c = readChannel(name)
  if not c then
    local offset, time = lossOf(name, meta)
    return { '', text(offset), text(time) }
  end
  local offsets = c.isLatest and after == 0 and redis.call('GET', offsetsKey(name)) or ''
  local answer = { headerOf(c) .. offsets }
  if after >= c.head then return answer end
  local index = after <= c.evicted and 1 or search(c, function(offset) return offset > after end)
  while index <= c.count and left > 0 do
    local chunk = redis.call('LRANGE', c.key, index, index + 31)
    for at = 1, #chunk do
      if left <= 0 then break end
      answer[#answer + 1] = chunk[at]
      left = left - #chunk[at]
    end
    index = index + 32
  end
  return answer
end

for at = 2, #ARGV, 2 do
  if left <= 0 then break end
  answers[#answers + 1] = read(ARGV[at], tonumber(ARGV[at + 1]))
end
return answers
`;

/**
 * A page of channels by name: ARGV is limits, the name behind which it begins, how many, and `1` to have those
 * without subscribers too; with one argument more, that channel alone.
 * Answers for each: name, subscribers, events, bytes, events in the last ten seconds, when it ended, head, time of the oldest.
 */
export const LUA_LIST = `
local meta = readMeta()
local limits = limitsAt(1)
local after, count, isAll, only = ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1', ARGV[8]
local RATE_WINDOW = 10000

local function describe(name)
  local subscribers = tonumber(redis.call('HGET', P .. 'counts', 'c:' .. name) or 0)
  local c = subscribers > 0 and readChannel(name) or release(name, meta, limits)
  if not c then return nil end
  if trim(c, meta.time, limits) then writeHeader(c) end
  local recent = 0
  if c.headTime > meta.time - RATE_WINDOW then
    recent = c.count + 1 - search(c, function(_, time) return time >= meta.time - RATE_WINDOW end)
  end
  local isEndKept = c.endedAt > 0 and c.count > 0
  return { name, subscribers, isEndKept and c.count - 1 or c.count, c.bytes, recent, text(c.endedAt), text(c.head),
    c.count > 0 and text(c.oldestTime) or '' }
end

local page = {}
local names = { only }
if not only then
  local from = after == '' and '-' or '(' .. after
  names = redis.call('ZRANGEBYLEX', P .. (isAll and 'channels' or 'followed'), from, '+', 'LIMIT', 0, count)
end
local last = ''
for _, name in ipairs(names) do
  last = name
  local summary = describe(name)
  if summary then page[#page + 1] = summary end
end
return { #names == count and last or '', page }
`;

/**
 * Ends and forgets what is over, some channels at a time: ARGV is limits and how many to look at. Answers which channels are to end, each with the time of its last event.
 */
export const LUA_SWEEP = `
local meta = readMeta()
local limits = limitsAt(1)
local ttl, count = limits.ttl, tonumber(ARGV[5])
local over = {}
keepAccounts(limits.age)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', text(meta.time), 'LIMIT', 0, count)) do
  local isFollowed = tonumber(redis.call('HGET', P .. 'counts', 'c:' .. name) or 0) > 0
  local c
  if isFollowed then
    c = readChannel(name) or newChannel(name, meta)
    trim(c, meta.time, limits)
    if c.count == 0 and c.endedAt > 0 and c.endedAt < meta.time - limits.age then
      -- Whoever has it was told of its end.
      forget(c, meta)
      c = nil
    else
      keepAlive(c, meta.time, limits.age)
      writeHeader(c)
    end
  else
    c = release(name, meta, limits)
  end
  if c then
    -- What does not age is kept by whoever is there.
    if c.isLatest then
      keepAlive(c, meta.time, limits.age)
      writeHeader(c)
    end
    local nextAt = math.max(meta.time + (c.isLatest and limits.due or 1000), c.headTime + limits.age)
    if ttl > 0 and c.endedAt == 0 and c.headTime > 0 then
      if meta.time - c.headTime >= ttl then over[#over + 1] = { name, text(c.headTime) } end
      nextAt = math.min(nextAt, math.max(meta.time + 1000, c.headTime + ttl))
    end
    redis.call('ZADD', P .. 'due', text(nextAt), name)
  end
end
return over
`;
