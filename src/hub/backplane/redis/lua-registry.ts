import { OPENED_SHARE } from '../../store.js';

/**
 * Who is connected. Counters stand twice: in `counts` for the whole hub, where limits are asked, and in one hash per
 * node, so that survivors can take back what a dead node counted. Fields: `t` all connections, `a:` by address, `k:` by
 * token, `u:` by user, `c:` by channel. Connections with an identity have a record at their node, and a place in their application's order.
 */
const LUA_COUNTS = `
local function nodeKey(node) return P .. 'n:' .. node end
local function recordsKey(node) return P .. 'n:' .. node .. ':k' end
local function orderKey(application) return P .. 'a:' .. application end

local function count(node, field, by)
  if redis.call('HINCRBY', nodeKey(node), field, by) <= 0 then redis.call('HDEL', nodeKey(node), field) end
  local total = redis.call('HINCRBY', P .. 'counts', field, by)
  if total <= 0 then redis.call('HDEL', P .. 'counts', field) end
  return total
end

local function held(field) return tonumber(redis.call('HGET', P .. 'counts', field) or 0) end

local function watched(application)
  if application == '' then return false end
  local name = 'tidegate.connections.' .. application
  if held('c:' .. name) <= 0 then return false end
  local c = readChannel(name)
  return c ~= nil and c.endedAt == 0
end

-- Fields in the order of a connection's arguments: id, address and token ('' where they are not counted), application, user, place, record, under which name it opens channels, channels.
local function readConnection(at)
  local connection = {
    id = ARGV[at], address = ARGV[at + 1], credential = ARGV[at + 2], application = ARGV[at + 3], user = ARGV[at + 4],
    place = ARGV[at + 5], record = ARGV[at + 6], opener = ARGV[at + 7], channels = {},
  }
  local channels = tonumber(ARGV[at + 8])
  for number = 1, channels do connection.channels[number] = ARGV[at + 8 + number] end
  return connection, at + 9 + channels
end

-- What the notification service kept: a hash for each connected user, with the Redis channel on which others publish to the user.
-- Only if the names of hash and channel can be read in one way, and the hash is none of ours; a key of another kind is left alone.
local keysFailed = false

local function joined(application, middle, user)
  local name = application .. middle .. user
  local at = string.find(name, middle, 1, true)
  if at ~= #application + 1 or string.find(name, middle, at + 1, true) then return nil end
  return name
end

local function clientKey(application, user)
  local key, channel = joined(application, ':client:', user), joined(application, ':channel:', user)
  if not key or not channel or string.sub(key, 1, #P) == P then return nil end
  return key, channel
end

local function keepClientKey(application, user)
  local key, channel = clientKey(application, user)
  if not key then return end
  local reply = redis.pcall('HSET', key, 'application_id', application, 'user_id', user, 'channel_id', channel)
  if type(reply) == 'table' and reply.err then keysFailed = true end
end

local function dropClientKey(application, user)
  local key = clientKey(application, user)
  if key and redis.call('TYPE', key).ok == 'hash' then redis.call('DEL', key) end
end

-- A connection of the user is gone: the key goes with the last.
local function loosenClientKey(application, user)
  if held('u:' .. #application .. ':' .. application .. user) <= 0 then dropClientKey(application, user) end
end

local function userField(c) return 'u:' .. #c.application .. ':' .. c.application .. c.user end

local function countAll(node, connection, by)
  count(node, 't', by)
  if connection.address ~= '' then count(node, 'a:' .. connection.address, by) end
  if connection.credential ~= '' then count(node, 'k:' .. connection.credential, by) end
  if connection.application ~= '' then count(node, userField(connection), by) end
end

local function follow(node, name)
  if count(node, 'c:' .. name, 1) == 1 then redis.call('ZADD', P .. 'followed', 0, name) end
end

local function unfollow(node, name, by, meta, limits)
  if count(node, 'c:' .. name, -by) > 0 then return end
  redis.call('ZREM', P .. 'followed', name)
  release(name, meta, limits)
end

local function keepRecord(node, connection)
  if connection.application == '' then return end
  redis.call('ZADD', orderKey(connection.application), 0, connection.place)
  local record = struct.pack('<I2I2', #connection.application, #connection.place)
    .. connection.application .. connection.place .. connection.record
  redis.call('HSET', recordsKey(node), connection.id, record)
end
`;

/**
 * Admits connections of one node: ARGV is limits, the node, `1` where the hub's limits hold for them (they do not for
 * those that are there already), most connections, of one address, of one user, of one token, most channels, `1` where keys of users
 * are kept, and the connections. Answers `{0, head, '1' where somebody watches the application, '1' where a key could not be kept}`,
 * or the code of a refusal and how many there are.
 */
export const LUA_JOIN = `${LUA_COUNTS}
local meta = readMeta()
local limits = limitsAt(1)
local node, isLimited = ARGV[5], ARGV[6] == '1'
local most, mostOfAddress, mostOfUser, mostOfToken, mostChannels =
  tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local hasKeys = ARGV[12] == '1'

-- A subscriber opens no more channels than are left for all; publishers find room beside them.
local function roomRefusal(c)
  local fresh, isBusy = 0, {}
  for _, name in ipairs(c.channels) do
    isBusy[name] = true
    if redis.call('EXISTS', channelKey(name)) == 0 then fresh = fresh + 1 end
  end
  if fresh == 0 then return nil end
  local opened, left = openedBy(ownerOf('s', c.opener)), math.ceil(mostChannels * ${OPENED_SHARE}) - openedBy('total')
  local isFair = left >= fresh and opened + fresh - 1 <= left - fresh + 1
  if isFair and makeRoomFor(fresh, mostChannels, opened, meta, isBusy) then return nil end
  return { 'too-many-channels', redis.call('ZCARD', P .. 'channels') }
end

local function refusal(c)
  local total = held('t')
  if total >= most then return { 'too-many-connections', total } end
  if mostOfAddress > 0 and c.address ~= '' then
    local ofAddress = held('a:' .. c.address)
    if ofAddress >= mostOfAddress then return { 'too-many-connections-from-address', ofAddress } end
  end
  if mostOfToken > 0 and c.credential ~= '' then
    local ofToken = held('k:' .. c.credential)
    if ofToken >= mostOfToken then return { 'too-many-connections-of-token', ofToken } end
  end
  if mostOfUser > 0 and c.application ~= '' then
    local ofUser = held(userField(c))
    if ofUser >= mostOfUser then return { 'too-many-connections-of-user', ofUser } end
  end
  return roomRefusal(c)
end

local function join(c)
  local refused = isLimited and refusal(c)
  if refused then return refused end
  for _, name in ipairs(c.channels) do
    if redis.call('EXISTS', channelKey(name)) == 0 then
      local fresh = newChannel(name, meta)
      fresh.owner, fresh.isOpened = ownerOf('s', c.opener), true
      createChannel(fresh, meta.time, limits)
    end
    follow(node, name)
  end
  countAll(node, c, 1)
  keepRecord(node, c)
  if hasKeys and c.application ~= '' then keepClientKey(c.application, c.user) end
  return nil
end

local at = 13
local application = ''
while at <= #ARGV do
  local connection
  connection, at = readConnection(at)
  local refused = join(connection)
  if refused then return refused end
  application = connection.application
end
return { 0, text(meta.head), watched(application) and '1' or '', keysFailed and '1' or '' }
`;

/** Connections of one node leave: ARGV is limits, the node, `1` where keys of users are kept, and the connections. Answers the numbers of those that somebody watches. */
export const LUA_LEAVE = `${LUA_COUNTS}
local meta = readMeta()
local limits = limitsAt(1)
local node = ARGV[5]
local hasKeys = ARGV[6] == '1'
local at, number, told = 7, 0, {}
while at <= #ARGV do
  local c
  c, at = readConnection(at)
  number = number + 1
  countAll(node, c, -1)
  if c.application ~= '' then
    redis.call('ZREM', orderKey(c.application), c.place)
    redis.call('HDEL', recordsKey(node), c.id)
    if hasKeys then loosenClientKey(c.application, c.user) end
  end
  for _, name in ipairs(c.channels) do unfollow(node, name, 1, meta, limits) end
  if watched(c.application) then told[#told + 1] = number end
end
return told
`;

/**
 * Keeps a node's lease: ARGV is the node and how long it holds. Answers whether the node was there, the time, epoch and head, and
 * a node whose lease is over, if there is one.
 */
export const LUA_RENEW = `
local meta = readMeta()
local node, leaseMs = ARGV[1], tonumber(ARGV[2])
local kept = tonumber(redis.call('ZSCORE', P .. 'nodes', node) or 0)
-- Late, but nobody has taken anything back yet.
local isThere = kept > 0
if isThere then redis.call('ZADD', P .. 'nodes', text(meta.time + leaseMs), node) end
local dead = redis.call('ZRANGEBYSCORE', P .. 'nodes', '-inf', '(' .. text(meta.time), 'LIMIT', 0, 1)
return { isThere and 1 or 0, text(meta.time), meta.epoch or '', text(meta.head), dead[1] or '' }
`;

/**
 * Takes back, some at a time, what a node that is gone has counted: ARGV is limits, the node, how many, `1` where the node itself asks
 * (then whether its lease is over does not matter), and `1` where keys of users are kept. Answers whether there is more, and the records of its connections that are gone, each
 * with its application.
 */
export const LUA_CLEAR = `${LUA_COUNTS}
local meta = readMeta()
local limits = limitsAt(1)
local node, most, isOwn = ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local hasKeys = ARGV[8] == '1'
local lease = tonumber(redis.call('ZSCORE', P .. 'nodes', node) or 0)
if not isOwn and lease >= meta.time then return { 0, {} } end
-- From here on the node has to begin anew, should it come back.
redis.call('ZADD', P .. 'nodes', 0, node)
local gone = {}
local records = redis.call('HRANDFIELD', recordsKey(node), most, 'WITHVALUES')
for at = 1, #records, 2 do
  local record = records[at + 1]
  local applicationBytes, placeBytes = struct.unpack('<I2I2', record)
  local application = string.sub(record, 5, 4 + applicationBytes)
  redis.call('ZREM', orderKey(application), string.sub(record, 5 + applicationBytes, 4 + applicationBytes + placeBytes))
  redis.call('HDEL', recordsKey(node), records[at])
  if watched(application) then gone[#gone + 1] = { application, string.sub(record, 5 + applicationBytes + placeBytes) } end
end
-- The records first: what is counted of a node stands as long as its connections are listed.
local fields = #records > 0 and {} or redis.call('HRANDFIELD', nodeKey(node), most, 'WITHVALUES')
for at = 1, #fields, 2 do
  local field, by = fields[at], tonumber(fields[at + 1])
  if string.sub(field, 1, 2) == 'c:' then unfollow(node, string.sub(field, 3), by, meta, limits)
  else count(node, field, -by) end
  if hasKeys and string.sub(field, 1, 2) == 'u:' then
    local bytes, from = string.match(field, '^u:(%d+):()')
    local application, user = string.sub(field, from, from + bytes - 1), string.sub(field, from + bytes)
    loosenClientKey(application, user)
  end
end
if #fields > 0 or #records > 0 then return { 1, gone } end
redis.call('ZREM', P .. 'nodes', node)
return { 0, gone }
`;

/** A node begins: ARGV is the node and how long its lease holds. */
export const LUA_ENTER = `
redis.call('ZADD', P .. 'nodes', text(readMeta().time + tonumber(ARGV[2])), ARGV[1])
return 1
`;

/**
 * A page of an application's connections: ARGV is the application, where it begins and ends in the order of places, and how many.
 * Answers for each its node and its record.
 */
export const LUA_CONNECTIONS = `${LUA_COUNTS}
local page = {}
for _, place in ipairs(redis.call('ZRANGEBYLEX', orderKey(ARGV[1]), ARGV[2], ARGV[3], 'LIMIT', 0, tonumber(ARGV[4]))) do
  local id, node = string.match(place, '%z([^%z]*)%z([^%z]*)$')
  local record = id and redis.call('HGET', recordsKey(node), id)
  if record then
    local applicationBytes, placeBytes = struct.unpack('<I2I2', record)
    page[#page + 1] = { node, string.sub(record, 5 + applicationBytes + placeBytes) }
  end
end
return page
`;

/**
 * Keeps a revocation and tells every node: ARGV is its target, tokens of which time it is about, when it is forgotten, the command that
 * publishes, the node, and the most there may be. Of two for the same target the wider holds. Answers 0 where there are too many.
 */
export const LUA_REVOKE = `
local target, issuedBefore, expiresAt, tell, node, most =
  ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
for _, old in ipairs(redis.call('ZRANGEBYSCORE', P .. 'revoked:due', '-inf', text(clockMs()), 'LIMIT', 0, 1000)) do
  redis.call('HDEL', P .. 'revoked', old)
  redis.call('ZREM', P .. 'revoked:due', old)
end
local kept = redis.call('HGET', P .. 'revoked', target)
if kept then
  local keptBefore, keptExpires = struct.unpack('<dd', kept)
  issuedBefore, expiresAt = math.max(issuedBefore, keptBefore), math.max(expiresAt, keptExpires)
elseif redis.call('HLEN', P .. 'revoked') >= most then
  return 0
end
local revocation = struct.pack('<dd', issuedBefore, expiresAt) .. target
redis.call('HSET', P .. 'revoked', target, revocation)
redis.call('ZADD', P .. 'revoked:due', text(expiresAt), target)
redis.call(tell, P .. 'all', struct.pack('<I2', #node) .. node .. revocation)
return 1
`;

/** Everything that is revoked. */
export const LUA_REVOKED = `return redis.call('HVALS', P .. 'revoked')`;

/** The nodes whose lease holds. */
export const LUA_NODES = `return redis.call('ZRANGEBYSCORE', P .. 'nodes', text(clockMs()), '+inf')`;
