import { FORGOTTEN_NAMES_MAX } from '../../forgotten-losses.js';

/**
 * To whom channels are charged, and what forgotten ones had lost. `owners` has how many channels each publisher has, by a hash
 * of its name that stands in each channel's header; `openers`, how many each subscriber opened where nobody has published
 * yet, and their `total`. `lost` has the newest loss of forgotten names, `lost:order` their offsets.
 */
export const LUA_ACCOUNTS = `
local NOBODY = string.rep('\\0', 6)

-- 6 bytes that stand for a publisher or a subscriber: with 8, a channel with one event of 200 bytes would not fit where it does.
local function ownerOf(kind, key)
  local hex = redis.sha1hex(kind .. key)
  return struct.pack('<I4I2', tonumber(string.sub(hex, 1, 8), 16), tonumber(string.sub(hex, 9, 12), 16))
end

local function channelsOf(owner) return tonumber(redis.call('ZSCORE', P .. 'owners', owner) or 0) end
local function openedBy(owner) return tonumber(redis.call('HGET', P .. 'openers', owner) or 0) end

-- They go by themselves when all channels have.
local function keepAccounts(age)
  redis.call('PEXPIRE', P .. 'owners', text(age + HOUR))
  redis.call('PEXPIRE', P .. 'openers', text(age + HOUR))
end

local function charge(c, by)
  if c.owner == NOBODY then return end
  if not c.isOpened then
    if tonumber(redis.call('ZINCRBY', P .. 'owners', by, c.owner)) <= 0 then redis.call('ZREM', P .. 'owners', c.owner) end
    return
  end
  for _, field in ipairs({ c.owner, 'total' }) do
    if redis.call('HINCRBY', P .. 'openers', field, by) <= 0 then redis.call('HDEL', P .. 'openers', field) end
  end
end

-- A channel is the publisher's who was the first to publish there since it was last empty.
local function recharge(c, publisher)
  if c.count > 0 and not c.isOpened then return end
  local owner = ownerOf('p', publisher)
  if owner == c.owner and not c.isOpened then return end
  charge(c, -1)
  c.owner, c.isOpened = owner, false
  charge(c, 1)
end

-- The newest losses are kept by name; of all others one for all.
local function rememberLoss(name, offset, time, meta)
  if offset <= meta.lostOffset then return end
  redis.call('HSET', P .. 'lost', name, struct.pack('<dd', offset, time))
  redis.call('ZADD', P .. 'lost:order', text(offset), name)
  if redis.call('ZCARD', P .. 'lost:order') <= ${FORGOTTEN_NAMES_MAX} then return end
  local oldest = redis.call('ZPOPMIN', P .. 'lost:order')[1]
  local raw = redis.call('HGET', P .. 'lost', oldest)
  redis.call('HDEL', P .. 'lost', oldest)
  if not raw then return end
  meta.lostOffset, meta.lostTime = struct.unpack('<dd', raw)
  redis.call('HSET', META, 'lostOffset', text(meta.lostOffset), 'lostTime', text(meta.lostTime))
end

-- What a channel that is not there may have lost: offset and time.
local function lossOf(name, meta)
  -- It expired while no node was there: nobody knows how far it had come.
  if redis.call('ZSCORE', P .. 'channels', name) then return meta.head, meta.time end
  local raw = redis.call('HGET', P .. 'lost', name)
  if raw then return struct.unpack('<dd', raw) end
  return meta.lostOffset, meta.lostTime
end
`;

/** Makes room where there are too many channels; behind what looks after channels. */
export const LUA_ROOM = `
local IDLE_LOOKED_AT = 64

-- Some channels at random: of those without a subscriber, one goes whose publisher has the most, and more than "held".
local function giveUpIdle(held, meta, isBusy)
  local most = redis.call('ZREVRANGE', P .. 'owners', 0, 0, 'WITHSCORES')
  if not most[2] or tonumber(most[2]) <= held then return false end
  local idle, idleOf = nil, held
  for _, name in ipairs(redis.call('ZRANDMEMBER', P .. 'channels', IDLE_LOOKED_AT)) do
    local c = not isBusy[name] and not redis.call('HGET', P .. 'counts', 'c:' .. name) and readChannel(name)
    local of = c and not c.isOpened and channelsOf(c.owner) or 0
    if of > idleOf or (idle and of == idleOf and c.headTime < idle.headTime) then idle, idleOf = c, of end
  end
  if not idle then return false end
  idle.evicted, idle.evictedTime = idle.head, idle.headTime
  forget(idle, meta)
  return true
end

-- For so many channels more of who has "held"; false where there is none.
local function makeRoomFor(count, most, held, meta, isBusy)
  local over = redis.call('ZCARD', P .. 'channels') + count - most
  for _ = 1, over do
    if not giveUpIdle(held, meta, isBusy) then return false end
  end
  return true
end
`;
