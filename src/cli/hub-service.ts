import { listen } from '../hub/index.js';
import type { Hub, HubOptions, HubServer } from '../hub/index.js';
import type { Logger } from '../runtime/index.js';
import type { Settings } from './config/index.js';

/** A hub's options as the settings have them. */
export function hubOptionsOf(settings: Settings, logger: Logger): HubOptions {
  return {
    history: {
      events: settings['history.events'],
      bytes: settings['history.bytes'],
      ageMs: settings['history.ageMs'],
      totalBytes: settings['history.totalBytes'],
    },
    limits: {
      connections: settings['limits.connections'],
      connectionsPerAddress: settings['limits.connectionsPerAddress'],
      connectionsPerUser: settings['limits.connectionsPerUser'],
      publishPerSecond: settings['limits.publishPerSecond'],
      channels: settings['limits.channels'],
      channelsPerConnection: settings['limits.channelsPerConnection'],
      eventBytes: settings['limits.eventBytes'],
      bodyBytes: settings['limits.bodyBytes'],
      bodiesBytes: settings['limits.bodiesBytes'],
    },
    heartbeatMs: settings['hub.heartbeatMs'],
    retryMs: settings['hub.retryMs'],
    stallTimeoutMs: settings['hub.stallTimeoutMs'],
    drainMs: settings['hub.drainMs'],
    channelTtlMs: settings['channel.ttlMs'],
    compression: settings['http.compression'],
    cors: { origins: settings['http.cors.origins'] },
    logger,
  };
}

/** Sends subscribers away, ends what is left and stops listening, in bounded time. */
export async function stopHub(hub: Hub, server: HubServer): Promise<void> {
  await hub.drain();
  await hub.close();
  await server.close();
}

export { listen };
