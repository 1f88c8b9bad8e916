import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { Block } from './block.js';
import { faultsOf } from './faults.js';
import type { FaultOptions } from './faults.js';
import { Player } from './player.js';
import type { Outlet, PlayCounters, PlayOptions } from './player.js';

export interface ReplayOptions extends Partial<PlayOptions> {
  readonly blocks: readonly Block[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** After the last block: stay connected (default), close, or close and answer 204 to who has it all. */
  readonly end?: 'stay' | 'close' | '204';
  /** Default: none. */
  readonly faults?: FaultOptions;
  readonly clock?: Clock;
}

/** What happened so far. */
export interface ReplayStats extends Readonly<PlayCounters> {
  readonly connections: number;
  readonly open: number;
  /** Connections answered with 503 on purpose. */
  readonly refused: number;
  /** Connections that went on after an id. */
  readonly resumed: number;
  /** Connections with an id that no block carries: they start at the beginning. */
  readonly unknownIds: number;
}

export interface Replay extends AsyncDisposable {
  /** Any path below it serves the stream. */
  readonly url: string;
  readonly stats: ReplayStats;
  /** Cuts every connection and stops listening. */
  close(): Promise<void>;
}

const DEFAULTS = { rate: 'max', isLooping: false, stallMs: 5000, heartbeatMs: 15_000 } as const;
const NO_FAULTS: FaultOptions = { kinds: [], rate: 0, seed: 1 };

/**
 * Serves `blocks` as an SSE stream to everyone who connects, each from the beginning or, with
 * Last-Event-ID (or `?lastEventId`, which the header beats), from after the first block that carries
 * the id: ids repeat in real feeds, and going on after the last one would lose events.
 * @throws the listen error (such as EADDRINUSE) as it is.
 */
export async function startReplay(options: ReplayOptions): Promise<Replay> {
  const { host = '127.0.0.1', port = 0 } = options;
  const server = new ReplayServer(options);
  const listener = createServer((request, response) => void server.handle(request, response));
  listener.listen(port, host);
  await once(listener, 'listening');
  const { port: bound } = listener.address() as AddressInfo;
  const close = (): Promise<void> => closeNow(listener);
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/`,
    stats: server.stats,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function closeNow(listener: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
  listener.closeAllConnections();
  await closed;
}

type Counters = { -readonly [K in keyof ReplayStats]: number };

class ReplayServer {
  readonly stats: Counters = {
    connections: 0,
    open: 0,
    refused: 0,
    resumed: 0,
    unknownIds: 0,
    events: 0,
    cuts: 0,
    stalls: 0,
    duplicates: 0,
  };
  readonly #options: ReplayOptions;
  readonly #clock: Clock;
  /** Where to go on after each id. */
  readonly #resumeAt = new Map<string, number>();

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    for (const [index, { id }] of options.blocks.entries()) {
      if (id !== undefined && !this.#resumeAt.has(id)) this.#resumeAt.set(id, index + 1);
    }
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET') return refuse(response, 405, { Allow: 'GET' });
    const faults = faultsOf(this.stats.connections, this.#options.faults ?? NO_FAULTS);
    this.stats.connections += 1;
    const refusal = faults.onConnect();
    if (refusal !== undefined) {
      this.stats.refused += 1;
      const { retryAfterSeconds } = refusal;
      return refuse(response, 503, retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) });
    }
    const { blocks, end = 'stay' } = this.#options;
    const from = this.#findStart(request);
    if (end === '204' && from === blocks.length) return refuse(response, 204, {});
    this.stats.open += 1;
    const outlet = openStream(response);
    const player = new Player({ ...DEFAULTS, ...this.#options }, outlet, {
      faults,
      counters: this.stats,
      clock: this.#clock,
    });
    const isThrough = await player.play(blocks, from);
    if (isThrough && end === 'stay') await player.idle();
    this.stats.open -= 1;
    // A cut must look like one: no proper end after it.
    if (isThrough) response.end();
  }

  #findStart(request: IncomingMessage): number {
    const id = requestedId(request);
    if (id === undefined) return 0;
    const index = this.#resumeAt.get(id);
    if (index === undefined) this.stats.unknownIds += 1;
    else this.stats.resumed += 1;
    return index ?? 0;
  }
}

function requestedId(request: IncomingMessage): string | undefined {
  const header = request.headers['last-event-id'];
  // Node reads header bytes as Latin-1; the standard sends the id in UTF-8.
  if (typeof header === 'string' && header !== '') return Buffer.from(header, 'latin1').toString();
  const query = new URLSearchParams(request.url?.split('?')[1]).get('lastEventId');
  return query === null || query === '' ? undefined : query;
}

function refuse(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>): void {
  response.writeHead(status, headers).end();
}

function openStream(response: ServerResponse): Outlet {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  return {
    signal: gone.signal,
    cut: () => response.socket?.destroySoon(),
    async write(bytes) {
      if (gone.signal.aborted || response.write(bytes)) return;
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          response.off('drain', finish);
          response.off('close', finish);
          resolve();
        };
        response.on('drain', finish);
        response.on('close', finish);
      });
    },
  };
}
