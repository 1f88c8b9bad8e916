import { CONNECT_MS, openNode, openRedis, reasonOf, retryMs } from './driver.js';
import type { Redis, RedisNode, RedisPlace } from './driver.js';

export interface BridgeListenerHandlers {
  /** Everything that is published is heard from here on. */
  onUp(): void;
  /** What is published is missed from here on. */
  onDown(): void;
  /** `run` is which Redis said it, as {@link BridgeListener.run} says which one is listened to. */
  onMarker(term: number, run: string): void;
  onMessage(channel: Buffer, message: Buffer): void;
  /** A connection failed; `reason` is a code and holds no secret. */
  onError(reason: string): void;
}

export interface BridgeListenerOptions extends RedisPlace {
  /** Where markers are published. */
  readonly markers: string;
  readonly patterns: readonly string[];
  readonly channels: readonly string[];
  /** Which node of a cluster is to be listened to: all must hear one order; undefined: there is only one Redis. */
  readonly locate: () => Promise<RedisNode | undefined>;
  readonly handlers: BridgeListenerHandlers;
}

/** A connection of its own for what the bridge hears: however much that is, the hub's own does not wait behind it. */
export class BridgeListener {
  readonly #options: BridgeListenerOptions;
  #connection: Redis | undefined;
  #run = '';
  #isUp = false;
  #isClosed = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BridgeListenerOptions) {
    this.#options = options;
    void this.#listen();
  }

  /** Which Redis is listened to; empty where none is. */
  get run(): string {
    return this.#run;
  }

  /** Begins anew, with whichever Redis it should be now. */
  reconnect(): void {
    this.#connection?.disconnect();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#connection?.disconnect();
  }

  async #listen(): Promise<void> {
    const { locate, handlers } = this.#options;
    // Reconnecting is done here: the master may be another then.
    const fixed = { connectTimeout: CONNECT_MS, disableClientInfo: true, enableOfflineQueue: false };
    const options = { ...fixed, autoResubscribe: false, retryStrategy: () => null, maxRetriesPerRequest: null };
    let connection: Redis;
    try {
      const node = await locate();
      if (this.#isClosed) return;
      connection = node === undefined ? openRedis(this.#options, options) : openNode(this.#options, node, options);
    } catch {
      return this.#later();
    }
    this.#connection = connection;
    connection.on('error', (error: unknown) => this.#failed(error));
    connection.on('messageBuffer', (channel: Buffer, message: Buffer) => this.#take(channel, message));
    connection.on('pmessageBuffer', (_, channel: Buffer, message: Buffer) => handlers.onMessage(channel, message));
    connection.on('ready', () => void this.#subscribe(connection));
    connection.once('end', () => {
      if (this.#isUp) handlers.onDown();
      this.#isUp = false;
      this.#run = '';
      this.#later();
    });
  }

  async #subscribe(connection: Redis): Promise<void> {
    const { markers, patterns, channels, handlers } = this.#options;
    try {
      this.#run = /run_id:(\w+)/.exec(await connection.info('server'))?.[1] ?? '';
      if (patterns.length > 0) await connection.psubscribe(...patterns);
      await connection.subscribe(markers, ...channels);
      this.#isUp = true;
      this.#failures = 0;
      handlers.onUp();
    } catch (error) {
      this.#failed(error);
      connection.disconnect();
    }
  }

  #take(channel: Buffer, message: Buffer): void {
    const { markers, handlers } = this.#options;
    if (channel.toString() !== markers) return handlers.onMessage(channel, message);
    const [term, run = ''] = message.toString().split(' ');
    handlers.onMarker(Number(term), run);
  }

  #later(): void {
    if (this.#isClosed) return;
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#listen(), retryMs(this.#failures));
  }

  #failed(error: unknown): void {
    if (!this.#isClosed) this.#options.handlers.onError(reasonOf(error));
  }
}
