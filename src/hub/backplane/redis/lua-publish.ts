/**
 * Places a batch of publications: offsets, history and one message to all nodes in one step.
 *
 * ARGV: epoch, limits (`limitsAt`), most channels, events a second of one publisher, command that publishes,
 * then for each publication: its kind (`p`; `e` for the end of a channel; `b` for a step of the bridge), publisher (of a step the
 * mark it expects and the one it sets), the time that an end asks a channel to be quiet since, number of channels, the name of each and `1` where it keeps the newest of each key only, number
 * of events, key and payload of each, and for each such channel what each event is the newest of.
 * Answers `EPOCH` where the node has to find out first which epoch it is, else the head and for each publication either a refusal
 * (`{code, number}`) or a list: an offset for a new event, `{offset, own id}` for one that was there.
 */
export const LUA_PUBLISH = `
local meta = readMeta()
-- Of a Redis that was started anew, or became the master, nobody knows yet whether it has lost something.
if meta.epoch ~= ARGV[1] or meta.run ~= runId() then return 'EPOCH' end
local limits = limitsAt(2)
local channelsMax, perSecond, tell = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local MESSAGE_BYTES = 1048576

local now = meta.time
local head, told = meta.head, meta.head
local channels, dirty = {}, {}
local channelCount
local parts, partBytes, messages = {}, 0, {}
local at = 9

local function take()
  at = at + 1
  return ARGV[at - 1]
end

local function open(name)
  local c = channels[name]
  if c then return c end
  c = readChannel(name)
  if not c then
    c = newChannel(name, meta)
  elseif limits.age > 0 and c.count > 0 and c.oldestTime < now - limits.age and trim(c, now, limits) then
    writeHeader(c)
  end
  c.records, c.keys, c.newKeys, c.pending, c.latest = {}, {}, {}, 0, {}
  c.offsets = {}
  channels[name] = c
  return c
end

local function flushMessage()
  if #parts == 0 then return end
  messages[#messages + 1] = struct.pack('<ddI4', told, now, #parts) .. table.concat(parts)
  parts, partBytes, told = {}, 0, head
end

local function indexOf(c, offset)
  for index, record in ipairs(c.records) do
    if offsetAndTime(record) == offset then return index end
  end
  return nil
end

-- Takes out what the event is newer than.
local function replace(c, key)
  local offset = c.latest[key]
  if not offset then offset = tonumber(redis.call('ZSCORE', latestKey(c.name), key) or nil) end
  if not offset or offset <= c.evicted then return end
  local index = indexOf(c, offset)
  local bytes
  if index then
    bytes = #c.records[index]
    table.remove(c.records, index)
    c.pending = c.pending - 1
  else
    local list, kept = channelKey(c.name), c.count - c.pending
    index = search({ name = c.name, count = kept }, function(found) return found >= offset end)
    local record = index <= kept and redis.call('LINDEX', list, index)
    if not record or offsetAndTime(record) ~= offset then return end
    bytes = #record
    redis.call('LSET', list, index, '')
    redis.call('LREM', list, 1, '')
  end
  c.count, c.bytes = c.count - 1, c.bytes - bytes
end

local function place(c, payload)
  head = head + 1
  if c.count == 0 then c.oldestTime = now end
  local record = struct.pack('<dd', head, now) .. payload
  c.records[#c.records + 1] = record
  c.pending = c.pending + 1
  c.head, c.headTime = head, now
  c.count, c.bytes = c.count + 1, c.bytes + #record
  if not c.isDirty then
    c.isDirty = true
    dirty[#dirty + 1] = c
  end
  local part = struct.pack('<I2I4', #c.name, #payload) .. c.name .. payload
  parts[#parts + 1] = part
  partBytes = partBytes + #part
  if partBytes > MESSAGE_BYTES then flushMessage() end
  return head
end

local function ownId(record)
  local bytes = struct.unpack('<I2', record, 18)
  return string.sub(record, 20, 19 + bytes)
end

local function recordAt(c, offset)
  local pending = indexOf(c, offset)
  if pending then return c.records[pending] end
  local kept = c.count - c.pending
  local index = search({ name = c.name, count = kept }, function(found) return found >= offset end)
  return index <= kept and redis.call('LINDEX', channelKey(c.name), index) or nil
end

local function findDuplicate(c, key)
  if key == '' then return nil end
  local offset = c.keys[key]
  if not offset and c.hasKeys then offset = tonumber(redis.call('ZSCORE', keysKey(c.name), key) or nil) end
  if not offset or offset <= c.evicted then return nil end
  local record = recordAt(c, offset)
  if not record then return nil end
  return { offset, ownId(record) }
end

local function exceedsRate(publisher, events)
  if perSecond == 0 or publisher == '' then return nil end
  local key = P .. 'r:' .. publisher
  local raw = redis.call('GET', key)
  local left = perSecond
  if raw then
    local kept, since = struct.unpack('<dd', raw)
    left = math.min(perSecond, kept + math.max(0, now - since) * perSecond / 1000)
  end
  if left <= 0 then return math.ceil((1 - left) * 1000 / perSecond) end
  left = left - events
  local fullMs = math.ceil((perSecond - left) * 1000 / perSecond) + 1000
  redis.call('SET', key, struct.pack('<dd', left, now), 'PX', text(fullMs))
  return nil
end

local function readPublication()
  local publication = {
    kind = take(), publisher = take(), quietSince = tonumber(take()), channels = {}, events = {}, latest = {},
  }
  local isLatest = {}
  for number = 1, tonumber(take()) do
    publication.channels[number] = take()
    isLatest[number] = take() == '1'
  end
  for number = 1, tonumber(take()) do publication.events[number] = { key = take(), payload = take() } end
  for number = 1, #publication.channels do
    if isLatest[number] then
      local keys = {}
      for event = 1, #publication.events do keys[event] = take() end
      publication.latest[number] = keys
    end
  end
  return publication
end

local function isThere(c, events)
  for _, event in ipairs(events) do
    if not findDuplicate(c, event.key) then return false end
  end
  return true
end

local function makeRoom(opened)
  local fresh = {}
  for _, c in ipairs(opened) do
    if c.isNew then fresh[c.name] = c end
  end
  if not next(fresh) then return true end
  channelCount = channelCount or redis.call('ZCARD', P .. 'channels')
  local count = 0
  for _ in pairs(fresh) do count = count + 1 end
  if channelCount + count > channelsMax then return false end
  channelCount = channelCount + count
  for _, c in pairs(fresh) do createChannel(c, now, limits) end
  return true
end

local function publish(publication)
  local waitMs = exceedsRate(publication.publisher, #publication.channels * #publication.events)
  if waitMs then return { 'publish-rate-exceeded', waitMs } end
  local opened = {}
  for number, name in ipairs(publication.channels) do opened[number] = open(name) end
  if not makeRoom(opened) then return { 'too-many-channels', channelCount } end
  for number, c in ipairs(opened) do
    if c.endedAt > 0 and not isThere(c, publication.events) then return { 'channel-ended', number } end
  end
  local placed = {}
  for number, c in ipairs(opened) do
    local newest = publication.latest[number]
    for which, event in ipairs(publication.events) do
      local answer = findDuplicate(c, event.key)
      if not answer then
        if newest then replace(c, newest[which]) end
        answer = place(c, event.payload)
        if newest then
          c.latest[newest[which]] = answer
          c.offsets[#c.offsets + 1] = struct.pack('<d', answer)
        end
        if event.key ~= '' then
          c.keys[event.key] = answer
          c.newKeys[#c.newKeys + 1] = event.key
        end
      end
      placed[#placed + 1] = answer
    end
  end
  return placed
end

local function endChannel(publication)
  local c = open(publication.channels[1])
  if c.endedAt > 0 then return {} end
  if publication.quietSince > 0 and c.headTime > publication.quietSince then return {} end
  if not makeRoom({ c }) then return { 'too-many-channels', channelCount } end
  c.endedAt = now
  return { place(c, publication.events[1].payload) }
end

local function append(key, records)
  for from = 1, #records, 1000 do
    redis.call('RPUSH', key, unpack(records, from, math.min(from + 999, #records)))
  end
end

-- What was replaced is counted in them: 8 bytes for each event, 10,000 to 20,000 of them.
local function keepOffsets(c)
  if #c.offsets == 0 then return end
  local key = offsetsKey(c.name)
  local bytes = redis.call('APPEND', key, table.concat(c.offsets))
  if bytes > 160000 then redis.call('SET', key, redis.call('GETRANGE', key, -80000, -1), 'KEEPTTL') end
end

local mark

local function readMark()
  local raw = redis.call('HMGET', P .. 'bridge', 'term', 'index')
  return { term = tonumber(raw[1] or -1), index = tonumber(raw[2] or -1) }
end

-- A step of the bridge: made once, and only from the mark that it expects. What is refused is passed over with it.
local function bridge(publication)
  mark = mark or readMark()
  local fromTerm, fromIndex, term, index = string.match(publication.publisher, '^(%-?%d+) (%-?%d+) (%d+) (%d+)$')
  fromTerm, fromIndex, term, index = tonumber(fromTerm), tonumber(fromIndex), tonumber(term), tonumber(index)
  if mark.term > term or (mark.term == term and mark.index >= index) then return { 'known', 0 } end
  if mark.term >= 0 and (mark.term ~= fromTerm or mark.index ~= fromIndex) then return { 'moved', 0 } end
  mark = { term = term, index = index, isMoved = true }
  publication.publisher = ''
  return #publication.channels > 0 and publish(publication) or {}
end

local answers = { 0 }
while at <= #ARGV do
  local publication = readPublication()
  local place = publication.kind == 'e' and endChannel or publication.kind == 'b' and bridge or publish
  answers[#answers + 1] = place(publication)
end
for _, c in ipairs(dirty) do
  append(channelKey(c.name), c.records)
  for _, key in ipairs(c.newKeys) do
    c.hasKeys = true
    redis.call('ZADD', keysKey(c.name), text(c.keys[key]), key)
  end
  keepOffsets(c)
  for key, offset in pairs(c.latest) do
    c.isLatest = true
    redis.call('ZADD', latestKey(c.name), text(offset), key)
  end
  trim(c, now, limits)
  keepAlive(c, now, limits.age)
  writeHeader(c)
end
if mark and mark.isMoved then redis.call('HSET', P .. 'bridge', 'term', text(mark.term), 'index', text(mark.index)) end
if head > meta.head then redis.call('HSET', META, 'head', text(head), 'time', text(now)) end
flushMessage()
-- Last: what is told must be kept.
for _, message in ipairs(messages) do redis.call(tell, P .. 'events', message) end
answers[1] = head
return answers
`;
