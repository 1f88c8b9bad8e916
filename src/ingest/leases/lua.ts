/**
 * The scripts that keep leases in Redis. All that is known of a pipeline is one hash: `token` (rises with each claim),
 * `holder` (one claim's own name), `worker` (for people), `until` (Redis's own time, in milliseconds) and `checkpoint`.
 * So each step is atomic, and on a cluster each is in one slot.
 */

const NOW = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`;

/**
 * Ends where somebody else has claimed the pipeline since. A hash that is gone (Redis lost its data) is put back by
 * whoever holds the lease. ARGV: holder, token, worker, milliseconds.
 */
const OWN = `${NOW}
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 0 end
if not holder then
  redis.call('HSET', KEYS[1], 'token', ARGV[2], 'holder', ARGV[1], 'worker', ARGV[3], 'until', now + ARGV[4])
end
`;

/** ARGV: holder, worker, milliseconds. Answers the token and the checkpoint; or 0 and the worker that has it. */
export const CLAIM = `${NOW}
local ends = tonumber(redis.call('HGET', KEYS[1], 'until') or '0')
if ends > now then return {0, redis.call('HGET', KEYS[1], 'worker') or ''} end
local token = redis.call('HINCRBY', KEYS[1], 'token', 1)
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'worker', ARGV[2], 'until', now + ARGV[3])
return {token, redis.call('HGET', KEYS[1], 'checkpoint') or ''}
`;

/** 1 where the lease goes on, 0 where it is somebody else's. */
export const RENEW = `${OWN}
redis.call('HSET', KEYS[1], 'until', now + ARGV[4])
return 1
`;

/** ARGV[5]: the checkpoint. 1 where it is saved, 0 where the pipeline is somebody else's. */
export const SAVE = `${OWN}
redis.call('HSET', KEYS[1], 'checkpoint', ARGV[5])
return 1
`;

/** ARGV: holder. */
export const RELEASE = `
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'holder', '', 'until', 0)
return 1
`;

/** Takes a worker out of the list. ARGV: worker. */
export const LEAVE = `
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.match(member, '[^ ]+$') == ARGV[1] then redis.call('ZREM', KEYS[1], member) end
end
`;

/** ARGV: worker, milliseconds, held, waiting. Answers the workers that live, each as `held waiting worker`. */
export const BEAT = `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
${LEAVE}
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
`;
