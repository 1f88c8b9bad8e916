import { HubError } from '../../errors.js';
import {
  CONNECT_MS,
  Cluster,
  Redis,
  credentialsOf,
  messageOf,
  openNode,
  openRedis,
  reasonOf,
  retryMs,
} from './driver.js';
import type { RedisNode, RedisPlace } from './driver.js';
import type { Reply } from './replies.js';
import { SCRIPTS } from './scripts.js';
import type { Script } from './scripts.js';

/** How Redis is reached. */
export interface RedisAddress extends RedisPlace {
  /** Whether it is a cluster. */
  readonly isCluster: boolean;
  /** How long a command may take. */
  readonly commandTimeoutMs: number;
}

export type Argument = string | number | Buffer;

export interface RedisLinkHandlers {
  /** Both connections are there and what is published is heard from here on. */
  onUp(): void;
  /** One of them is gone; what is published meanwhile is not heard. */
  onDown(): void;
  onMessage(channel: string, message: Buffer): void;
  /** A connection or a command failed; `reason` is a code and holds no secret. */
  onError(reason: string): void;
}

export interface RedisLinkOptions extends RedisAddress {
  /** The key on which all scripts stand: with its hash tag it says which master of a cluster. */
  readonly metaKey: string;
  readonly channels: readonly string[];
  readonly handlers: RedisLinkHandlers;
}

/** From this version on a cluster tells a message only to the master of its slot, and not to all. */
const SHARDED_FROM = 7;

/** A node's two connections to Redis: one for commands, one that listens. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #commands: Redis | Cluster;
  #listener: Redis | undefined;
  #areCommandsUp = false;
  #isListening = false;
  #isSharded = false;
  #isClosed = false;
  #failures = 0;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#commands = this.#connectCommands();
    this.#commands.on('error', (error: unknown) => this.#failed(error));
    this.#commands.on('ready', () => void this.#prepare());
    this.#commands.on('close', () => this.#down(() => (this.#areCommandsUp = false)));
    if (!options.isCluster) this.#listen();
  }

  get isUp(): boolean {
    return this.#areCommandsUp && this.#isListening && !this.#isClosed;
  }

  /** What publishes in a script. */
  get publishCommand(): string {
    return this.#isSharded ? 'SPUBLISH' : 'PUBLISH';
  }

  /** Says once more that it is up, a little later. */
  again(): void {
    this.#later(() => this.#tellUp());
  }

  /** Runs a script. @throws HubError `backplane-unavailable` where Redis is not there or does not answer in time; else as Redis does. */
  async run(script: Script, args: readonly Argument[]): Promise<Reply> {
    try {
      return await this.#evaluate('EVALSHA', script.sha, args);
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw this.#refusal(error);
    }
    try {
      return await this.#evaluate('EVAL', script.source, args);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** Sends a message to the nodes that listen on a channel. */
  async publish(channel: string, message: string): Promise<void> {
    try {
      await this.#commands.call(this.publishCommand, channel, message);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** Waits until as many replicas have what was written before; how many have. */
  async wait(replicas: number, timeoutMs: number): Promise<number> {
    try {
      return Number(await this.#commands.call('WAIT', replicas, timeoutMs));
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** The master of a cluster on which all keys are; undefined where there is only one Redis. */
  async locate(): Promise<RedisNode | undefined> {
    if (!(this.#commands instanceof Cluster)) return undefined;
    const slot = Number(await this.#commands.call('CLUSTER', 'KEYSLOT', this.#options.metaKey));
    const [, host, port] = /^(.+):(\d+)$/.exec(this.#commands.slots[slot]?.[0] ?? '') ?? [];
    if (host === undefined) throw new HubError('backplane-unavailable', 'Cannot tell where the keys are: try again');
    return { host, port: Number(port) };
  }

  close(): void {
    this.#isClosed = true;
    this.#commands.disconnect();
    this.#listener?.disconnect();
  }

  async #evaluate(command: 'EVAL' | 'EVALSHA', program: string, args: readonly Argument[]): Promise<Reply> {
    const all = [program, 1, this.#options.metaKey, ...args];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the scripts answer with nothing else
    return (await this.#commands.callBuffer(command, all)) as Reply;
  }

  #connectCommands(): Redis | Cluster {
    const { urls, isCluster, commandTimeoutMs } = this.#options;
    const limits = { commandTimeout: commandTimeoutMs, connectTimeout: CONNECT_MS, disableClientInfo: true };
    if (!isCluster) {
      return openRedis(this.#options, {
        ...limits,
        // What was sent and not answered may have been done: nobody but its sender may send it again.
        autoResendUnfulfilledCommands: false,
        maxRetriesPerRequest: null,
        enableOfflineQueue: false,
        retryStrategy: retryMs,
        // A master that became a replica: ask again who is it now.
        reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
      });
    }
    return new Cluster([...urls], {
      redisOptions: { ...credentialsOf(urls[0] ?? ''), ...limits, autoResendUnfulfilledCommands: false },
      enableOfflineQueue: false,
      clusterRetryStrategy: retryMs,
      // As above: a command that failed with its connection is not sent again.
      retryDelayOnFailover: 0,
    });
  }

  async #prepare(): Promise<void> {
    try {
      if (this.#commands instanceof Redis)
        await Promise.all(Object.values(SCRIPTS).map(({ source }) => this.#commands.call('SCRIPT', 'LOAD', source)));
      this.#areCommandsUp = true;
      if (this.#listener === undefined) this.#listen();
      else this.#tellUp();
    } catch (error) {
      this.#failed(error);
      if (!this.#isClosed) this.#commands.disconnect(true);
    }
  }

  /** Connects the listener; in a cluster, to the master that a redirection named, or else to any node. */
  #listen(redirection?: RedisNode): void {
    if (this.#isClosed) return;
    const options = { connectTimeout: CONNECT_MS, disableClientInfo: true, enableOfflineQueue: false };
    // Reconnecting is done here: the next node may be another.
    const fixed = { ...options, autoResubscribe: false, retryStrategy: () => null, maxRetriesPerRequest: null };
    const listener = this.#options.isCluster
      ? this.#connectToNode(fixed, redirection)
      : openRedis(this.#options, fixed);
    this.#listener = listener;
    const { handlers } = this.#options;
    const take = (channel: Buffer, message: Buffer): void => handlers.onMessage(channel.toString(), message);
    listener.on('error', (error: unknown) => this.#failed(error));
    listener.on('messageBuffer', take).on('smessageBuffer', take);
    // Its slot went to another master.
    listener.on('sunsubscribe', () => listener.disconnect());
    listener.on('ready', () => void this.#subscribe(listener));
    listener.once('end', () => {
      if (this.#listener !== listener) return;
      this.#down(() => (this.#isListening = false));
      this.#later(() => this.#listen());
    });
  }

  #connectToNode(options: object, redirection: RedisNode | undefined): Redis {
    const { urls } = this.#options;
    const known = this.#commands instanceof Cluster ? this.#commands.nodes('master') : [];
    const any = known[this.#failures % Math.max(1, known.length)]?.options;
    if (redirection !== undefined) return openNode(this.#options, redirection, options);
    if (any?.host !== undefined && any.port !== undefined)
      return openNode(this.#options, { host: any.host, port: any.port }, options);
    return new Redis(urls[this.#failures % urls.length] ?? '', options);
  }

  async #subscribe(listener: Redis): Promise<void> {
    const { channels, isCluster } = this.#options;
    try {
      const version = /redis_version:(\d+)/.exec(await listener.info('server'))?.[1];
      this.#isSharded = isCluster && Number(version) >= SHARDED_FROM;
      await (this.#isSharded ? listener.ssubscribe(...channels) : listener.subscribe(...channels));
      this.#isListening = true;
      this.#failures = 0;
      this.#tellUp();
    } catch (error) {
      const [, host, port] = /^MOVED \d+ (.+):(\d+)$/.exec(messageOf(error)) ?? [];
      if (host === undefined) this.#failed(error);
      else this.#listen({ host, port: Number(port) });
      listener.disconnect();
    }
  }

  #tellUp(): void {
    if (this.isUp) this.#options.handlers.onUp();
  }

  #down(change: () => void): void {
    const wasUp = this.isUp;
    change();
    if (wasUp) this.#options.handlers.onDown();
  }

  #failed(error: unknown): void {
    if (!this.#isClosed) this.#options.handlers.onError(reasonOf(error));
  }

  #later(task: () => void): void {
    this.#failures += 1;
    setTimeout(() => {
      if (!this.#isClosed) task();
    }, retryMs(this.#failures));
  }

  #refusal(error: unknown): unknown {
    const message = messageOf(error);
    this.#failed(error);
    // Redis itself refuses: a fault of ours, but for these, which pass.
    if (isReply(error) && !PASSING.test(message)) {
      // The driver's own error carries the command, and with it what was published.
      return new Error(`Redis refused: ${message}`);
    }
    return new HubError('backplane-unavailable', `Cannot do it now: Redis does not answer (${reasonOf(error)})`);
  }
}

/** Refusals of Redis that pass; before 7.0 a script's is found inside the message. */
const PASSING = /\b(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|OOM|NOREPLICAS|MISCONF)\b/;

/** Redis answered, and with an error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}
