import type { Clock } from '../../../base/index.js';
import type { Logger } from '../../../runtime/index.js';
import { Bridge } from '../../compat/bridge/bridge.js';
import { BRIDGE_LEASE_MS } from '../../compat/bridge/limits.js';
import type { BridgePort } from '../../compat/bridge/bridge-port.js';
import { createMessageReader } from '../../compat/bridge/message-reader.js';
import { NOTIFICATION_PATTERN } from '../../compat/notification.js';
import type { HubLimits } from '../../limits.js';
import type { RedisLink } from './client.js';
import type { RedisPlace } from './driver.js';
import { BRIDGE_BYTES_MAX, BRIDGE_MESSAGES_MAX } from './limits.js';
import type { Publisher } from './publisher.js';
import { listOf, numberOf, textOf } from './replies.js';
import { SCRIPTS } from './scripts.js';
import type { BridgedChannel } from './settings.js';

export interface RedisBridgeOptions extends RedisPlace {
  readonly nodeId: string;
  /** What all keys begin with, the colon included. */
  readonly base: string;
  /** Whether messages for users are taken. */
  readonly bridgeUsers: boolean;
  /** Redis channels whose messages are events of a channel. */
  readonly bridgeChannels: readonly BridgedChannel[];
  readonly limits: Pick<HubLimits, 'eventBytes'>;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly link: RedisLink;
  readonly publisher: Publisher;
}

export interface RedisBridge extends AsyncDisposable {
  readonly bridge: Bridge;
}

/** Listens on Redis channels for the whole hub, and publishes what comes there; undefined where none is asked for. */
export async function startRedisBridge(options: RedisBridgeOptions): Promise<RedisBridge | undefined> {
  const { base, bridgeUsers, bridgeChannels, limits, clock, logger, link } = options;
  if (!bridgeUsers && bridgeChannels.length === 0) return undefined;
  const { BridgeListener } = await import('./bridge-listener.js');
  const reader = createMessageReader({ channels: bridgeChannels, eventBytesMax: limits.eventBytes });
  const bridge = new Bridge({
    port: createPort(options, (run) => {
      if (listener.run !== '' && run !== listener.run) listener.reconnect();
    }),
    read: (message) => reader.read(message),
    limits: { messages: BRIDGE_MESSAGES_MAX, bytes: BRIDGE_BYTES_MAX },
    clock,
    logger,
  });
  const listener = new BridgeListener({
    ...options,
    markers: `${base}bridge`,
    patterns: bridgeUsers ? [NOTIFICATION_PATTERN] : [],
    channels: bridgeChannels.map(({ redisChannel }) => redisChannel),
    locate: () => link.locate(),
    handlers: {
      onUp: () => bridge.up(),
      onDown: () => bridge.down(),
      // Of another Redis: there it stands at another place among the messages.
      onMarker: (term, run) => (run === listener.run ? bridge.begin(term) : listener.reconnect()),
      onMessage: (channel, payload) => bridge.hear(reader.hear(channel, payload)),
      onError: (reason) => logger?.debug({ reason }, 'Cannot listen on Redis channels'),
    },
  });
  return {
    bridge,
    async [Symbol.asyncDispose]() {
      listener.close();
      bridge.down();
      await bridge.close();
    },
  };
}

/** @param onRun Told which Redis answered. */
function createPort(
  { nodeId, link, publisher }: Pick<RedisBridgeOptions, 'nodeId' | 'link' | 'publisher'>,
  onRun: (run: string) => void,
): BridgePort {
  return {
    async begin() {
      await link.run(SCRIPTS.begin, []);
    },
    async lease(isWanted) {
      const [holder, term, index, redis] = listOf(
        await link.run(SCRIPTS.lease, [nodeId, BRIDGE_LEASE_MS, isWanted ? 1 : 0]),
      );
      onRun(textOf(redis));
      const mark = textOf(term) === '' ? undefined : { term: numberOf(term), index: numberOf(index) };
      if (textOf(holder) === '') return { holder: 'none', mark };
      return { holder: textOf(holder) === nodeId ? 'this' : 'other', mark };
    },
    place: (move) => publisher.bridge(move),
  };
}
