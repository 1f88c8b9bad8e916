import { createRedisHub, listen, mintToken } from '../../src/hub/index.js';
import type { Hub, HubOptions, RedisOptions } from '../../src/hub/index.js';
import { createCapturingLogger } from './capturing-logger.js';
import type { LogLine } from './capturing-logger.js';
import { readMetrics } from './hub-metrics.js';
import { StreamClient } from './stream-client.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';

/** One of several hubs on a Redis that take notifications for users from it. */
export class BridgingHub implements AsyncDisposable {
  readonly hub: Hub;
  readonly url: string;
  readonly lines: readonly LogLine[];
  readonly #close: () => Promise<void>;

  private constructor(hub: Hub, url: string, rest: { lines: readonly LogLine[]; close: () => Promise<void> }) {
    this.hub = hub;
    this.url = url;
    this.lines = rest.lines;
    this.#close = rest.close;
  }

  static async start(redis: RedisOptions, options: HubOptions = {}): Promise<BridgingHub> {
    const logger = createCapturingLogger();
    const auth = { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: SECRET } } } as const;
    const hub = await createRedisHub({
      auth,
      logger,
      heartbeatMs: 500,
      ...options,
      redis: { bridgeUsers: true, ...redis },
    });
    const server = await listen(hub, { port: 0 });
    return new BridgingHub(hub, server.url, { lines: logger.lines, close: () => server.close() });
  }

  /** The stream of a user, live. */
  async connect(application: string, user: string, query = ''): Promise<StreamClient> {
    const token = await mintToken({ secret: SECRET, application, user, lifetimeMs: 600_000, nowMs: Date.now() });
    const client = await StreamClient.open(`${this.url}/sse${query}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    await client.event('tidegate.live');
    return client;
  }

  /** What a metric of the whole hub says, by its name with labels; 0 where it says nothing. */
  async metric(name: string): Promise<number> {
    const line = (await readMetrics(this.hub)).split('\n').find((one) => one.startsWith(`tidegate_${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub.close();
    await this.#close();
  }
}
