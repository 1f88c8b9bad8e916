import { createHandler } from './http/handler.js';
import { HubCore } from './hub.js';
import type { Hub, HubOptions } from './hub.js';

export type { Compression } from './compression.js';
export { HUB_ERROR_CODES, HubError } from './errors.js';
export type { ErrorTraits, HubErrorCode } from './errors.js';
export type { PublishEvent } from './event.js';
export { listen } from './http/listen.js';
export type { HubServer, ListenOptions } from './http/listen.js';
export type { Hub, HubOptions } from './hub.js';
export { DEFAULT_HISTORY, DEFAULT_LIMITS, DEFAULT_TIMES } from './limits.js';
export type { HistoryLimits, HubLimits } from './limits.js';
export type { Published } from './backplane/backplane.js';

/** A hub with its history in memory. Give its `handler` to a server, or both to {@link listen}. */
export function createHub(options: HubOptions = {}): Hub {
  const core = new HubCore(options);
  const close = (): Promise<void> => {
    core.close();
    return Promise.resolve();
  };
  return {
    handler: createHandler(core),
    publish: (channel, event) => core.publishOne(channel, event),
    end: (channel) => core.backplane.end(channel),
    drain: () => core.drain(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
