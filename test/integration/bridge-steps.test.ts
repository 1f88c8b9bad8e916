// The script that makes the bridge's steps, asked as no single node would ask.
import { expect, test } from 'vitest';

import type { BridgeMove, BridgeOutcome } from '../../src/hub/compat/bridge/bridge-port.js';
import type { Mark } from '../../src/hub/compat/bridge/heard.js';
import { RedisLink } from '../../src/hub/backplane/redis/client.js';
import { historyArguments } from '../../src/hub/backplane/redis/limits.js';
import { Publisher } from '../../src/hub/backplane/redis/publisher.js';
import { listOf, textOf } from '../../src/hub/backplane/redis/replies.js';
import { SCRIPTS } from '../../src/hub/backplane/redis/scripts.js';
import { NO_RULES } from '../../src/hub/channel-rules.js';
import { DEFAULT_HISTORY } from '../../src/hub/limits.js';
import { formatCursor } from '../../src/protocol/index.js';
import { hasRedis, startRedis, tell } from '../support/redis-server.js';
import type { RedisServer } from '../support/redis-server.js';

const EPOCH = '~aaaaaaaa';

const at = (term: number, index: number): Mark => ({ term, index });

interface Steps extends AsyncDisposable {
  make(from: BridgeMove['from'], to: BridgeMove['to'], channel?: string): Promise<BridgeOutcome>;
}

/** One connection and one publisher, for as many channels as are given. */
async function openSteps(redis: RedisServer, channels: number): Promise<Steps> {
  let link: RedisLink | undefined;
  const opened = await new Promise<RedisLink>((resolve) => {
    link = new RedisLink({
      urls: [redis.url],
      isCluster: false,
      sentinels: [],
      master: '',
      commandTimeoutMs: 2000,
      metaKey: '{p}:meta',
      channels: ['{p}:all'],
      handlers: {
        onUp: () => link !== undefined && resolve(link),
        onDown: () => undefined,
        onMessage: () => undefined,
        onError: () => undefined,
      },
    });
  });
  const [epoch] = listOf(await opened.run(SCRIPTS.sync, ['', 0, '', EPOCH]));
  const head = [textOf(epoch), ...historyArguments(DEFAULT_HISTORY, 0), channels, 0, 'PUBLISH'];
  const publisher = new Publisher({
    run: (batch) => opened.run(SCRIPTS.publish, [...head, ...batch]),
    isReady: () => true,
    onForeignEpoch: () => undefined,
    formatCursor: (offset) => formatCursor(EPOCH, offset),
    rules: NO_RULES,
    timeoutMs: 2000,
  });
  return {
    make: (from, to, channel) =>
      publisher.bridge({ from, to, event: channel === undefined ? undefined : { channel, event: { data: 'x' } } }),
    async [Symbol.asyncDispose]() {
      publisher.close();
      opened.close();
      return Promise.resolve();
    },
  };
}

test.skipIf(!hasRedis)(
  'a step is made once, and only from where the mark stands (needs redis-server) [redis]',
  async () => {
    await using redis = await startRedis();
    await using steps = await openSteps(redis, 10);
    const head = (): Promise<string> => tell(redis.port, 'HGET {p}:meta head');
    const outcomes = [
      await steps.make(undefined, at(7, 0)),
      await steps.make(at(7, 0), at(7, 1), 'a'),
      // Again, as if the answer had been lost, and by who knows less.
      await steps.make(at(7, 0), at(7, 1), 'a'),
      await steps.make(undefined, at(7, 0)),
      // Over something that failed before it.
      await steps.make(at(7, 2), at(7, 3), 'a'),
      await steps.make(at(7, 9), at(9, 0)),
      await steps.make(at(7, 1), at(9, 0)),
      await steps.make(at(7, 1), at(7, 2), 'a'),
      await steps.make(at(9, 0), at(9, 1), 'a'),
    ];
    expect(outcomes).toEqual(['placed', 'placed', 'known', 'known', 'moved', 'moved', 'placed', 'known', 'placed']);
    expect(await head()).toBe('$1\r\n2\r\n');
    // In one batch they are made one after the other.
    const batch = [
      steps.make(at(9, 1), at(9, 2), 'a'),
      steps.make(at(9, 3), at(9, 4), 'a'),
      steps.make(at(9, 2), at(9, 3)),
    ];
    expect(await Promise.all(batch)).toEqual(['placed', 'moved', 'placed']);
    expect(await head()).toBe('$1\r\n3\r\n');
  },
);

test.skipIf(!hasRedis)('a step whose event is refused is made all the same (needs redis-server) [redis]', async () => {
  await using redis = await startRedis();
  await using steps = await openSteps(redis, 1);
  expect(await steps.make(undefined, { term: 7, index: 0 }, 'a')).toBe('placed');
  const refused = await steps.make({ term: 7, index: 0 }, { term: 7, index: 1 }, 'b');
  expect(refused).toEqual({ refused: 'too-many-channels' });
  expect(await steps.make({ term: 7, index: 1 }, { term: 7, index: 2 }, 'a')).toBe('placed');
});
