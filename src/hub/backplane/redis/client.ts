import { Cluster, Redis } from 'ioredis';

import { HubError } from '../../errors.js';
import type { Reply } from './replies.js';
import { SCRIPTS } from './scripts.js';
import type { Script } from './scripts.js';

/** How Redis is reached. */
export interface RedisAddress {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any; several nodes of a cluster in a list. */
  readonly urls: readonly string[];
  /** Whether it is a cluster. */
  readonly isCluster: boolean;
  /** Sentinels (`host:port`), asked for the master's address; `urls` then gives user and password. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** The master's name at the sentinels. */
  readonly master: string;
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
  /** A connection failed; `reason` holds no secret. */
  onError(reason: string): void;
}

export interface RedisLinkOptions extends RedisAddress {
  /** The key on which all scripts stand: with its hash tag it says which master of a cluster. */
  readonly metaKey: string;
  readonly channels: readonly string[];
  readonly handlers: RedisLinkHandlers;
}

const RETRY_MS_MAX = 1000;
const CONNECT_MS = 5000;

/** A node's two connections to Redis: one for commands, one that listens. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #commands: Redis | Cluster;
  readonly #listener: Redis | Cluster;
  #areCommandsUp = false;
  #isListening = false;
  #isUp = false;
  #isClosed = false;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#commands = this.#connect();
    this.#listener = this.#connect();
    this.#commands.on('ready', () => void this.#prepare());
    this.#listener.on('ready', () => void this.#listen());
    this.#commands.on('close', () => this.#down('commands'));
    this.#listener.on('close', () => this.#down('listener'));
    // A cluster's listener changes its node by itself, and what came in between is missed.
    this.#listener.on('-subscriber', () => this.#down('listener'));
    this.#listener.on('+subscriber', () => void this.#listen());
    this.#listener.on('messageBuffer', (channel: Buffer, message: Buffer) =>
      options.handlers.onMessage(channel.toString(), message),
    );
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** What publishes in a script. */
  get publishCommand(): string {
    return 'PUBLISH';
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

  /** Sends a message; how many heard it, where Redis says so. */
  async publish(channel: string, message: string | Buffer): Promise<number> {
    try {
      return await this.#commands.publish(channel, message);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** Waits until as many replicas have what was written before; how many have. */
  async wait(replicas: number, timeoutMs: number): Promise<number> {
    if (this.#commands instanceof Cluster) return 0;
    return this.#commands.wait(replicas, timeoutMs).catch((error: unknown) => {
      throw this.#refusal(error);
    });
  }

  /** What Redis says of itself. */
  async info(section: string): Promise<string> {
    const commands = this.#commands;
    return commands instanceof Cluster ? '' : commands.info(section);
  }

  close(): void {
    this.#isClosed = true;
    this.#commands.disconnect();
    this.#listener.disconnect();
  }

  async #evaluate(command: 'EVAL' | 'EVALSHA', program: string, args: readonly Argument[]): Promise<Reply> {
    const all = [program, 1, this.#options.metaKey, ...args];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the scripts answer with nothing else
    return (await this.#commands.callBuffer(command, all)) as Reply;
  }

  #connect(): Redis | Cluster {
    const { urls, isCluster, sentinels, master, commandTimeoutMs } = this.#options;
    const [first = 'redis://127.0.0.1:6379'] = urls;
    const common = {
      commandTimeout: commandTimeoutMs,
      connectTimeout: CONNECT_MS,
      // What was sent and not answered may have been done: nobody but its sender may send it again.
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      maxRetriesPerRequest: null,
      enableOfflineQueue: false,
      disableClientInfo: true,
      retryStrategy: (times: number) => Math.min(times * 50, RETRY_MS_MAX),
      reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    };
    const redis = isCluster
      ? new Cluster([...urls], {
          redisOptions: { ...credentialsOf(first), commandTimeout: commandTimeoutMs, disableClientInfo: true },
          enableOfflineQueue: false,
          clusterRetryStrategy: (times) => Math.min(times * 50, RETRY_MS_MAX),
          retryDelayOnFailover: 0,
        })
      : sentinels.length > 0
        ? new Redis({ ...common, ...credentialsOf(first), sentinels: [...sentinels], name: master })
        : new Redis(first, common);
    redis.on('error', (error: unknown) => this.#options.handlers.onError(reasonOf(error)));
    return redis;
  }

  async #prepare(): Promise<void> {
    try {
      if (this.#commands instanceof Redis)
        await Promise.all(Object.values(SCRIPTS).map(({ source }) => this.#commands.call('SCRIPT', 'LOAD', source)));
      this.#areCommandsUp = true;
      this.#tellUp();
    } catch (error) {
      this.#options.handlers.onError(reasonOf(error));
      if (!this.#isClosed) this.#commands.disconnect(true);
    }
  }

  async #listen(): Promise<void> {
    try {
      await this.#listener.subscribe(...this.#options.channels);
      this.#isListening = true;
      this.#tellUp();
    } catch (error) {
      this.#options.handlers.onError(reasonOf(error));
      if (!this.#isClosed) this.#listener.disconnect(true);
    }
  }

  #tellUp(): void {
    if (!this.#areCommandsUp || !this.#isListening || this.#isClosed) return;
    this.#isUp = true;
    this.#options.handlers.onUp();
  }

  #down(which: 'commands' | 'listener'): void {
    if (which === 'commands') this.#areCommandsUp = false;
    else this.#isListening = false;
    const wasUp = this.#isUp;
    this.#isUp = false;
    if (wasUp && !this.#isClosed) this.#options.handlers.onDown();
  }

  #refusal(error: unknown): unknown {
    if (error instanceof HubError) return error;
    const message = messageOf(error);
    // Redis itself refuses: a fault, but for these, which pass.
    if (isReply(error) && !/^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|OOM|NOREPLICAS|MISCONF)/.test(message))
      return error;
    return new HubError('backplane-unavailable', `Cannot do it now: Redis does not answer (${reasonOf(error)})`);
  }
}

function credentialsOf(url: string): { username?: string; password?: string; tls?: object } {
  const { username, password, protocol } = new URL(url);
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Redis answered, and with an error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** A word on what happened that holds no secret: an error's code, or the code with which Redis refused. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return /^[A-Z]{4,}/.exec(messageOf(error))?.[0] ?? 'connection lost';
}
