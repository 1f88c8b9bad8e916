import { createHub, listen } from '../hub/index.js';
import type { Hub, HubServer } from '../hub/index.js';
import { sleep } from '../base/index.js';
import type { Logger } from '../runtime/index.js';
import type { Settings } from './config/index.js';

/**
 * After the drain, requests that are under way have so long. What is left then ends with the process:
 * connections on which nothing was ever asked, as browsers and fetch open them, do not count as idle.
 */
const CLOSE_MS = 500;
const CLOSE_STEP_MS = 20;

/** A hub as the settings have it. */
export function createConfiguredHub(settings: Settings, logger: Logger): Hub {
  return createHub({
    history: {
      events: settings['history.events'],
      bytes: settings['history.bytes'],
      ageMs: settings['history.ageMs'],
      totalBytes: settings['history.totalBytes'],
    },
    limits: {
      connections: settings['limits.connections'],
      channels: settings['limits.channels'],
      channelsPerConnection: settings['limits.channelsPerConnection'],
      eventBytes: settings['limits.eventBytes'],
      bodyBytes: settings['limits.bodyBytes'],
    },
    heartbeatMs: settings['hub.heartbeatMs'],
    retryMs: settings['hub.retryMs'],
    stallTimeoutMs: settings['hub.stallTimeoutMs'],
    drainMs: settings['hub.drainMs'],
    channelTtlMs: settings['channel.ttlMs'],
    cors: { origins: settings['http.cors.origins'] },
    logger,
  });
}

/** Sends subscribers away, ends what is left and stops listening, in bounded time. */
export async function stopHub(hub: Hub, server: HubServer): Promise<void> {
  await hub.drain();
  await hub.close();
  const closing = new AbortController();
  const closed = server.close().finally(() => closing.abort());
  // A client may keep its connection for more requests: each further call ends those that became idle.
  const isLate = closeRepeatedly(server, closing.signal);
  await Promise.race([closed, isLate]);
}

async function closeRepeatedly(server: HubServer, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; !signal.aborted && waitedMs < CLOSE_MS; waitedMs += CLOSE_STEP_MS) {
    await sleep(CLOSE_STEP_MS, signal);
    // Resolves only with the first call, which is waited for.
    void server.close();
  }
}

export { listen };
