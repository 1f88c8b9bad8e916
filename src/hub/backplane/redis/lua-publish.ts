import { PUBLICATION_KINDS } from './encode-publication.js';

/**
 * Places a batch of publications: offsets, history and one message to all nodes in one step.
 *
 * ARGV: epoch, limits (`limitsAt`), most channels, events a second of one publisher, command that publishes,
 * then the publications, as encode-publication.ts writes them.
 * Answers `EPOCH` where the node has to find out first which epoch it is, else the head and for each publication either a refusal
 * (`{code, number}`) or a list with one element for each channel: the offset of the first event, where all are new and have
 * no keys, else a list: an offset for a new event, `{offset, own id}` for one that was there.
 *
 * Payloads go into the message as they came, and each is cut out once for the list: what is done for every event is what it costs.
 */
export const LUA_PUBLISH = `
local meta = readMeta()
-- Of a Redis that was started anew, or became the master, nobody knows yet whether it has lost something.
if meta.epoch ~= ARGV[1] or meta.run ~= runId() then return 'EPOCH' end
local limits = limitsAt(2)
local channelsMax, perSecond, tell = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local MESSAGE_BYTES = 1048576
local END, BRIDGE = ${PUBLICATION_KINDS.end}, ${PUBLICATION_KINDS.bridge}

local now = meta.time
local head, told = meta.head, meta.head
local channels, dirty = {}, {}
-- Of those that are looked at here none is given up.
local isBusy = {}
local KEYS_MAX = 1000000
local parts, partEvents, partBytes, messages = {}, 0, 0, {}

local function open(name)
  local c = channels[name]
  if c then return c end
  isBusy[name] = true
  c = readChannel(name)
  if not c then
    c = newChannel(name, meta)
  elseif limits.age > 0 and c.count > 0 and c.oldestTime < now - limits.age and trim(c, now, limits) then
    writeHeader(c)
  end
  c.records, c.pending = {}, 0
  channels[name] = c
  return c
end

local function flushMessage()
  if partEvents == 0 then return end
  messages[#messages + 1] = struct.pack('<ddI4', told, now, partEvents) .. table.concat(parts)
  parts, partEvents, partBytes, told = {}, 0, 0, head
end

-- The newest events are of one channel: "bytes" are their payloads, each behind its length.
local function tellRun(c, count, bytes)
  parts[#parts + 1] = struct.pack('<I2I4I4', #c.name, count, #bytes) .. c.name
  parts[#parts + 1] = bytes
  partEvents, partBytes = partEvents + count, partBytes + #c.name + #bytes
  if partBytes > MESSAGE_BYTES then flushMessage() end
end

local function indexOf(c, offset)
  for index, record in ipairs(c.records) do
    if offsetAndTime(record) == offset then return index end
  end
  return nil
end

-- Takes out what the event is newer than.
local function replace(c, key)
  local offset = c.latest and c.latest[key]
  if not offset then offset = tonumber(redis.call('ZSCORE', latestKey(c.name), key) or nil) end
  if not offset or offset <= c.evicted then return end
  local index = indexOf(c, offset)
  local bytes
  if index then
    bytes = #c.records[index]
    table.remove(c.records, index)
    c.pending = c.pending - 1
  else
    local list, kept = c.key, c.count - c.pending
    index = search({ key = c.key, count = kept }, function(found) return found >= offset end)
    local record = index <= kept and redis.call('LINDEX', list, index)
    if not record or offsetAndTime(record) ~= offset then return end
    bytes = #record
    redis.call('LSET', list, index, '')
    redis.call('LREM', list, 1, '')
  end
  c.count, c.bytes = c.count - 1, c.bytes - bytes
end

-- Puts events of the channel behind all others; the offset of the first.
local function placeRun(c, payloads)
  local first, records, bytes = head + 1, c.records, c.bytes
  if c.count == 0 then c.oldestTime = now end
  for number = 1, #payloads do
    local record = struct.pack('<dd', head + number, now) .. payloads[number]
    records[#records + 1] = record
    bytes = bytes + #record
  end
  head = head + #payloads
  c.pending, c.count, c.bytes = c.pending + #payloads, c.count + #payloads, bytes
  c.head, c.headTime = head, now
  if not c.isDirty then
    c.isDirty = true
    dirty[#dirty + 1] = c
  end
  return first
end

local function place(c, payload)
  local offset = placeRun(c, { payload })
  tellRun(c, 1, struct.pack('<I4', #payload) .. payload)
  return offset
end

local function ownId(record)
  local bytes = struct.unpack('<I2', record, 18)
  return string.sub(record, 20, 19 + bytes)
end

local function recordAt(c, offset)
  local pending = indexOf(c, offset)
  if pending then return c.records[pending] end
  local kept = c.count - c.pending
  local index = search({ key = c.key, count = kept }, function(found) return found >= offset end)
  local record = index <= kept and redis.call('LINDEX', c.key, index)
  -- It may be replaced by a newer one.
  return record and offsetAndTime(record) == offset and record or nil
end

-- The offset of what was published under the key, and the event itself where it is not replaced.
local function findKeyed(c, key)
  if not key or key == '' then return nil end
  local offset = c.keys and c.keys[key]
  if not offset and c.hasKeys then offset = tonumber(redis.call('ZSCORE', keysKey(c.name), key) or nil) end
  if not offset or offset <= c.evicted then return nil end
  local record = recordAt(c, offset)
  if not record and not c.isLatest and not c.latest then return nil end
  return offset, record
end

local function findDuplicate(c, key)
  local offset, record = findKeyed(c, key)
  return offset and { offset, record and ownId(record) or '' }
end

-- Whether the key is of another event there.
local function isOfAnother(c, key, payload, print)
  local offset, record = findKeyed(c, key)
  if not offset then return false end
  if record then return string.sub(record, 17) ~= payload end
  local known = c.prints and c.prints[key] or redis.call('HGET', printsKey(c.name), key)
  return known and known ~= print
end

-- The number of the first event whose key is of another one.
local function mismatched(opened, publication)
  if #publication.keys == 0 then return nil end
  local firsts, which = {}, 0
  for _, piece in ipairs(publication.pieces) do
    for _, payload in ipairs(piece.payloads) do
      which = which + 1
      local key = publication.keys[which]
      if key ~= '' then
        if firsts[key] and firsts[key] ~= payload then return which end
        firsts[key] = payload
        for _, c in ipairs(opened) do
          if isOfAnother(c, key, payload, publication.prints[which]) then return which end
        end
      end
    end
  end
  return nil
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

-- Cuts payloads apart; those of one piece go into one message.
local function readPieces(raw, from, count)
  local pieces, payloads, pieceFrom = {}, {}, from
  for number = 1, count do
    payloads[#payloads + 1], from = struct.unpack('<I4c0', raw, from)
    if number == count or from - pieceFrom > MESSAGE_BYTES then
      pieces[#pieces + 1] = { payloads = payloads, bytes = string.sub(raw, pieceFrom, from - 1) }
      payloads, pieceFrom = {}, from
    end
  end
  return pieces, from
end

local function readPublication(raw)
  local kind, quietSince, channelsAsked, count, keyCount, publisher, at = struct.unpack('<BdI2I4I4I4c0', raw)
  local names, isLatest, keys, prints, latest, pieces = {}, {}, {}, {}, {}, nil
  for number = 1, channelsAsked do names[number], isLatest[number], at = struct.unpack('<I4c0B', raw, at) end
  for number = 1, keyCount do keys[number], at = struct.unpack('<I4c0', raw, at) end
  pieces, at = readPieces(raw, at, count)
  for number = 1, channelsAsked do
    if isLatest[number] == 1 then
      latest[number] = {}
      for event = 1, count do latest[number][event], at = struct.unpack('<I4c0', raw, at) end
    end
  end
  if next(latest) then
    for number = 1, keyCount do prints[number], at = struct.unpack('<I4c0', raw, at) end
  end
  return {
    kind = kind, quietSince = quietSince, publisher = publisher, count = count,
    channels = names, keys = keys, prints = prints, latest = latest, pieces = pieces,
  }
end

local function isThere(c, publication)
  for number = 1, publication.count do
    if not findDuplicate(c, publication.keys[number]) then return false end
  end
  return true
end

-- Makes those that are new, and charges to the publisher what nobody else has something in.
local function makeRoom(opened, publisher)
  local fresh, count = {}, 0
  for _, c in ipairs(opened) do
    if c.isNew and not fresh[c.name] then
      fresh[c.name] = c
      count = count + 1
    elseif not c.isNew then
      recharge(c, publisher)
    end
  end
  if count == 0 then return true end
  local owner = ownerOf('p', publisher)
  if not makeRoomFor(count, channelsMax, channelsOf(owner), meta, isBusy) then return false end
  for _, c in pairs(fresh) do
    c.owner = owner
    createChannel(c, now, limits)
  end
  return true
end

-- Looks at each event by itself: some may be there already, or be newer than what is kept of their key.
local function publishEach(c, publication, newest)
  local placed, which = {}, 0
  for _, piece in ipairs(publication.pieces) do
    for _, payload in ipairs(piece.payloads) do
      which = which + 1
      local key = publication.keys[which]
      local answer = findDuplicate(c, key)
      if not answer then
        if newest then replace(c, newest[which]) end
        answer = place(c, payload)
        if newest then
          c.latest, c.offsets = c.latest or {}, c.offsets or {}
          c.latest[newest[which]] = answer
          c.offsets[#c.offsets + 1] = struct.pack('<d', answer)
        end
        if key and key ~= '' then
          c.keys, c.newKeys = c.keys or {}, c.newKeys or {}
          c.keys[key] = answer
          c.newKeys[#c.newKeys + 1] = key
          if newest then
            c.prints = c.prints or {}
            c.prints[key] = publication.prints[which]
          end
        end
      end
      placed[which] = answer
    end
  end
  return placed
end

local function publishAll(c, pieces)
  local first = head + 1
  for _, piece in ipairs(pieces) do
    placeRun(c, piece.payloads)
    tellRun(c, #piece.payloads, piece.bytes)
  end
  return first
end

local function publish(publication)
  local waitMs = exceedsRate(publication.publisher, #publication.channels * publication.count)
  if waitMs then return { 'publish-rate-exceeded', waitMs } end
  local opened = {}
  for number, name in ipairs(publication.channels) do opened[number] = open(name) end
  if not makeRoom(opened, publication.publisher) then return { 'too-many-channels', redis.call('ZCARD', P .. 'channels') } end
  local wrong = mismatched(opened, publication)
  if wrong then return { 'idempotency-mismatch', wrong } end
  for number, c in ipairs(opened) do
    if c.endedAt > 0 and not isThere(c, publication) then return { 'channel-ended', number } end
  end
  local hasKeys, answers = #publication.keys > 0, {}
  for number, c in ipairs(opened) do
    local newest = publication.latest[number]
    answers[number] = (hasKeys or newest) and publishEach(c, publication, newest) or publishAll(c, publication.pieces)
  end
  return answers
end

local function endChannel(publication)
  local c = open(publication.channels[1])
  if c.endedAt > 0 then return {} end
  if publication.quietSince > 0 and c.headTime > publication.quietSince then return {} end
  if not makeRoom({ c }, publication.publisher) then
    return { 'too-many-channels', redis.call('ZCARD', P .. 'channels') }
  end
  c.endedAt = now
  return { place(c, publication.pieces[1].payloads[1]) }
end

local function append(key, records)
  for from = 1, #records, 1000 do
    redis.call('RPUSH', key, unpack(records, from, math.min(from + 999, #records)))
  end
end

-- What was replaced is counted in them: 8 bytes for each event, 10,000 to 20,000 of them.
local function keepOffsets(c)
  if not c.offsets then return end
  local key = offsetsKey(c.name)
  local bytes = redis.call('APPEND', key, table.concat(c.offsets))
  if bytes > 160000 then redis.call('SET', key, redis.call('GETRANGE', key, -80000, -1), 'KEEPTTL') end
end

-- Where nothing is given up, the oldest keys are forgotten.
local function keepPrints(c)
  if not c.prints then return end
  for key, print in pairs(c.prints) do redis.call('HSET', printsKey(c.name), key, print) end
  local surplus = redis.call('ZCARD', keysKey(c.name)) - KEYS_MAX
  if surplus <= 0 then return end
  for _, key in ipairs(redis.call('ZRANGE', keysKey(c.name), 0, surplus - 1)) do
    redis.call('HDEL', printsKey(c.name), key)
  end
  redis.call('ZREMRANGEBYRANK', keysKey(c.name), 0, surplus - 1)
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
for at = 9, #ARGV do
  local publication = readPublication(ARGV[at])
  local place = publication.kind == END and endChannel or publication.kind == BRIDGE and bridge or publish
  answers[#answers + 1] = place(publication)
end
for _, c in ipairs(dirty) do
  append(c.key, c.records)
  for _, key in ipairs(c.newKeys or {}) do
    c.hasKeys = true
    redis.call('ZADD', keysKey(c.name), text(c.keys[key]), key)
  end
  keepPrints(c)
  keepOffsets(c)
  for key, offset in pairs(c.latest or {}) do
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
