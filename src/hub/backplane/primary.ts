import { createServer } from 'node:net';
import type { Socket } from 'node:net';

import type { Channel } from '../channel.js';
import { createPrimaryMetrics } from '../metrics.js';
import type { Connection, MetricsReport } from './backplane.js';
import { toLinkError } from './link-messages.js';
import type { PrimaryMessage, Request, WorkerMessage } from './link-messages.js';
import { encodeLinkFrame, Link } from './link.js';
import type { MemoryBackplane } from './memory.js';

/** How long the others have to say what they counted; who is late is left out. */
const REPORT_MS = 1000;

/** The process that orders a hub's events and keeps them, for workers that hold its sockets. */
export class Primary implements AsyncDisposable {
  readonly #backplane: MemoryBackplane;
  readonly #workers = new Set<Worker>();
  readonly #server = createServer((socket) => this.#connected(socket));
  readonly #upkeep: NodeJS.Timeout;
  readonly #metrics: () => Promise<MetricsReport>;

  /** `upkeepMs`: how often what is over is ended and forgotten, a share at a time. */
  constructor(backplane: MemoryBackplane, upkeepMs: number) {
    this.#backplane = backplane;
    this.#upkeep = setInterval(() => backplane.keepUp(), upkeepMs).unref();
    this.#metrics = createPrimaryMetrics(backplane.store);
    backplane.onPlaced = (channel, frame, placement) => {
      let bytes: Buffer | undefined;
      for (const worker of this.#workers) {
        if (!worker.follows(channel.name)) continue;
        bytes ??= encodeLinkFrame({ channel: channel.name, frame, placement });
        worker.link.sendEncoded(bytes);
      }
    };
  }

  /** Listens on a Unix socket; who can reach `path` is trusted. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // Not through the cluster module, which would share it.
      this.#server.listen({ path, exclusive: true }, resolve);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#upkeep);
    for (const { link } of this.#workers) link.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connected(socket: Socket): void {
    const worker: Worker = new Worker(socket, this.#backplane, {
      onClosed: () => this.#workers.delete(worker),
      gatherMetrics: () => this.#gatherMetrics(worker),
    });
    this.#workers.add(worker);
  }

  async #gatherMetrics(asking: Worker): Promise<readonly MetricsReport[]> {
    const others = [...this.#workers].filter((worker) => worker !== asking);
    return Promise.all([this.#metrics(), ...others.map((worker) => worker.report())]);
  }
}

interface WorkerOptions {
  readonly onClosed: () => void;
  readonly gatherMetrics: () => Promise<readonly MetricsReport[]>;
}

/** One worker as the primary sees it: its connections, and the channels they follow. */
class Worker {
  readonly link: Link;
  readonly #backplane: MemoryBackplane;
  readonly #options: WorkerOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #followers = new Map<string, number>();
  readonly #reports = new Map<number, (report: MetricsReport) => void>();
  #lastReport = 0;

  constructor(socket: Socket, backplane: MemoryBackplane, options: WorkerOptions) {
    this.#backplane = backplane;
    this.#options = options;
    this.link = new Link(socket, {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are the same program
      onMessage: (message) => this.#take(message as WorkerMessage),
      onFrame: () => undefined,
      onRead: () => undefined,
      onClosed: () => this.#closed(),
    });
    this.#send({ kind: 'hello', epoch: backplane.store.epoch, headOffset: backplane.store.headOffset });
  }

  follows(channel: string): boolean {
    return this.#followers.has(channel);
  }

  report(): Promise<MetricsReport> {
    this.#lastReport += 1;
    const id = this.#lastReport;
    return new Promise((resolve) => {
      const settle = (report: MetricsReport): void => {
        clearTimeout(timer);
        this.#reports.delete(id);
        resolve(report);
      };
      const timer = setTimeout(() => settle([]), REPORT_MS);
      this.#reports.set(id, settle);
      this.#send({ kind: 'report', id });
    });
  }

  #send(message: PrimaryMessage): void {
    this.link.send(message);
  }

  #take(message: WorkerMessage): void {
    switch (message.kind) {
      case 'request':
        return void this.#answer(message.id, message.request);
      case 'leave':
        return this.#leave(message.number);
      case 'report':
        return this.#reports.get(message.id)?.(message.report);
    }
  }

  async #answer(id: number, request: Request): Promise<void> {
    try {
      const result = await this.#call(request);
      this.#send({ kind: 'answer', id, result, headOffset: this.#backplane.store.headOffset });
    } catch (error) {
      this.#send({ kind: 'refusal', id, error: toLinkError(error) });
    }
  }

  #call(request: Request): Promise<unknown> {
    switch (request.call) {
      case 'publish':
        return this.#backplane.publish(request.publication);
      case 'end':
        return this.#backplane.end(request.channel);
      case 'join':
        return this.#join(request.number, request.connection);
      case 'list':
        return this.#backplane.listChannels(request.request);
      case 'describe':
        return this.#backplane.describeChannel(request.channel);
      case 'history':
        return this.#backplane.readHistory(request.channel, request.request);
      case 'metrics':
        return this.#options.gatherMetrics();
    }
  }

  async #join(number: number, connection: Connection): Promise<void> {
    const channels = await this.#backplane.join(connection);
    for (const channel of channels) {
      // A hundred histories at once might be more than a link may hold.
      await this.link.whenReady();
      const followers = this.#followers.get(channel.name) ?? 0;
      this.#followers.set(channel.name, followers + 1);
      if (followers === 0) this.#sendChannel(channel);
    }
    if (this.link.isClosed) this.#backplane.leave(connection);
    else this.#connections.set(number, connection);
  }

  #sendChannel(channel: Channel): void {
    const { name, history, endedAtMs } = channel;
    const { evictedOffset, evictedTimeMs } = history;
    const ended = endedAtMs === undefined ? {} : { endedAtMs };
    this.#send({ kind: 'channel', name, evictedOffset, evictedTimeMs, ...ended });
    for (const frame of history.framesAfter(evictedOffset)) {
      const { offset, timeMs } = frame;
      const placement = { offset, timeMs, isEnd: channel.isEndFrame(offset) };
      this.link.sendEncoded(encodeLinkFrame({ channel: name, frame, placement }));
    }
  }

  #leave(number: number): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) return;
    this.#connections.delete(number);
    for (const name of connection.channels) {
      const left = (this.#followers.get(name) ?? 0) - 1;
      if (left > 0) this.#followers.set(name, left);
      else this.#followers.delete(name);
    }
    this.#backplane.leave(connection);
  }

  #closed(): void {
    for (const number of this.#connections.keys()) this.#leave(number);
    for (const settle of this.#reports.values()) settle([]);
    this.#options.onClosed();
  }
}
