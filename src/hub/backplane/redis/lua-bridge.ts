/**
 * The bridge (`compat/bridge/`): `bridge` is a hash with the mark (`term`, `index`) and the newest marker (`begun`),
 * `bridge:lease` names the node that publishes.
 */

/** Publishes a marker to all who listen, at one place among what they hear. Markers rise, also where Redis comes back empty. */
export const LUA_BEGIN = `
local begun = tonumber(redis.call('HGET', P .. 'bridge', 'begun') or 0)
local term = math.max(begun + 1, clockMs())
redis.call('HSET', P .. 'bridge', 'begun', text(term))
redis.call('PUBLISH', P .. 'bridge', text(term) .. ' ' .. runId())
return 1
`;

/**
 * ARGV is the node, how long the lease holds, and `1` where it is wanted: then it is taken or kept, unless another node has
 * it; else it is given back. Answers who has it, the mark, and which Redis this is.
 */
export const LUA_LEASE = `
local node, leaseMs, isWanted = ARGV[1], ARGV[2], ARGV[3] == '1'
local key = P .. 'bridge:lease'
local holder = redis.call('GET', key)
if isWanted and (not holder or holder == node) then
  redis.call('SET', key, node, 'PX', leaseMs)
  holder = node
elseif holder == node then
  redis.call('DEL', key)
  holder = false
end
local mark = redis.call('HMGET', P .. 'bridge', 'term', 'index')
return { holder or '', mark[1] or '', mark[2] or '', runId() }
`;
