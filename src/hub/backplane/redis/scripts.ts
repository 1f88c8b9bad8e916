import { createHash } from 'node:crypto';

import { LUA_BEGIN, LUA_LEASE } from './lua-bridge.js';
import { LUA_CHANNELS } from './lua-channels.js';
import { LUA_PUBLISH } from './lua-publish.js';
import { LUA_LIST, LUA_READ, LUA_SWEEP, LUA_SYNC } from './lua-read.js';
import {
  LUA_CLEAR,
  LUA_CONNECTIONS,
  LUA_ENTER,
  LUA_JOIN,
  LUA_LEAVE,
  LUA_NODES,
  LUA_RENEW,
  LUA_REVOKE,
  LUA_REVOKED,
} from './lua-registry.js';
import { LUA_FACTS } from './startup.js';

/** A program that Redis runs in one step; known there by its SHA-1. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** Everything that is done in Redis, by name. */
export const SCRIPTS = {
  facts: script(LUA_FACTS),
  sync: script(LUA_SYNC),
  publish: script(LUA_PUBLISH),
  read: script(LUA_READ),
  list: script(LUA_LIST),
  sweep: script(LUA_SWEEP),
  join: script(LUA_JOIN),
  leave: script(LUA_LEAVE),
  renew: script(LUA_RENEW),
  clear: script(LUA_CLEAR),
  enter: script(LUA_ENTER),
  connections: script(LUA_CONNECTIONS),
  nodes: script(LUA_NODES),
  revoke: script(LUA_REVOKE),
  revoked: script(LUA_REVOKED),
  begin: script(LUA_BEGIN),
  lease: script(LUA_LEASE),
} as const;

function script(body: string): Script {
  const source = LUA_CHANNELS + body;
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}
