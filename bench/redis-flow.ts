// Publishes on one hub as fast as it is answered, and counts what comes on another, in a process of its own:
//   tsx bench/redis-flow.ts '{"publishOrigin": "…", "subscribeOrigin": "…", "channels": 1000, "form": "many", …}'
// Prints one line of JSON. Every channel has a subscriber; a connection follows up to 100.
import type { Socket } from 'node:net';

import { MarkCounter } from './mark-counter.js';
import { cpuSeconds } from './process-usage.js';
import type { RedisHubs } from './redis-hubs.js';
import { openSocket, StreamOpener } from './wire.js';

/** How events go to the hub: some NDJSON lines to one channel, one event to some channels, or one by one. */
export type PublishForm = 'ndjson' | 'many' | 'single';

export interface FlowOptions extends Pick<RedisHubs, 'publishOrigin' | 'subscribeOrigin' | 'pids'> {
  readonly channels: number;
  readonly form: PublishForm;
  /** Events that one request places. */
  readonly perRequest: number;
  readonly requestsAtOnce: number;
  readonly eventBytes: number;
  readonly seconds: number;
}

interface Counts {
  /** Events that a 200 stands for, and requests that were answered with something else. */
  acknowledged: number;
  refused: number;
  /** Events placed on their way or there. */
  sent: number;
  received: number;
  gaps: number;
  live: number;
  closed: number;
}

const CHANNELS_PER_CONNECTION = 100;
const PUBLISHING_SOCKETS = 4;
const WARM_UP_MS = 1000;
const PATIENCE_MS = 60_000;
const MARK = '~~~~';
const PACED_CONNECTS = 20;

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  for (const deadlineMs = performance.now() + PATIENCE_MS; !isTrue();) {
    if (performance.now() > deadlineMs) throw new Error(`Waited ${PATIENCE_MS} ms in vain: ${what()}`);
    await pause(5);
  }
}

const nameOf = (channel: number): string => `c${channel}`;

async function subscribeAll({ subscribeOrigin, channels }: FlowOptions, counts: Counts): Promise<void> {
  for (let first = 0; first < channels; first += CHANNELS_PER_CONNECTION) {
    const count = Math.min(CHANNELS_PER_CONNECTION, channels - first);
    const query = Array.from({ length: count }, (_, at) => `channel=${nameOf(first + at)}`).join('&');
    const [events, gaps, live] = [MARK, 'event: tidegate.gap', 'event: tidegate.live'].map(
      (mark) => new MarkCounter(mark),
    );
    let isLive = false;
    const onChunk = (chunk: Buffer): void => {
      counts.received += events?.count(chunk) ?? 0;
      counts.gaps += gaps?.count(chunk) ?? 0;
      if (isLive || live?.count(chunk) === 0) return;
      isLive = true;
      counts.live += 1;
    };
    const opener = new StreamOpener(`${subscribeOrigin}/subscribe?${query}`, 'http');
    opener.open({ onChunk, onClosed: () => (counts.closed += 1) });
    if (first % (PACED_CONNECTS * CHANNELS_PER_CONNECTION) === 0) await pause(20);
  }
  const connections = Math.ceil(channels / CHANNELS_PER_CONNECTION);
  await until(
    () => counts.live === connections,
    () => `${counts.live} of ${connections} streams are live`,
  );
}

/** All requests of one round over the channels, ready to be sent. */
function requestsOf({ channels, form, perRequest, eventBytes, publishOrigin }: FlowOptions): readonly Buffer[] {
  const data = MARK.padEnd(eventBytes, 'x');
  const { host } = new URL(publishOrigin);
  const request = (path: string, type: string, body: string): Buffer =>
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  if (form === 'many') {
    return Array.from({ length: channels / perRequest }, (_, round) => {
      const names = Array.from({ length: perRequest }, (__, at) => nameOf(round * perRequest + at));
      return request('/publish', 'application/json', JSON.stringify({ channels: names, data }));
    });
  }
  const body = form === 'single' ? data : Array.from({ length: perRequest }, () => JSON.stringify({ data })).join('\n');
  const type = form === 'single' ? 'text/plain' : 'application/x-ndjson';
  return Array.from({ length: channels }, (_, channel) => request(`/publish/${nameOf(channel)}`, type, body));
}

/** Keeps `requestsAtOnce` requests under way, channel by channel, until it is stopped. */
class Publisher {
  readonly #options: FlowOptions;
  readonly #counts: Counts;
  readonly #requests: readonly Buffer[];
  readonly #sockets: readonly Socket[];
  #next = 0;
  #underWay = 0;
  #isOver = false;

  constructor(options: FlowOptions, counts: Counts) {
    this.#options = options;
    this.#counts = counts;
    this.#requests = requestsOf(options);
    const sockets = Math.min(PUBLISHING_SOCKETS, options.requestsAtOnce);
    this.#sockets = Array.from({ length: sockets }, () => this.#open(options.requestsAtOnce / sockets));
  }

  get isDone(): boolean {
    return this.#isOver && this.#underWay === 0;
  }

  stop(): void {
    this.#isOver = true;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(requestsAtOnce: number): Socket {
    const { perRequest, publishOrigin } = this.#options;
    const [all, good] = [new MarkCounter('HTTP/1.1 '), new MarkCounter('HTTP/1.1 200')];
    const socket = openSocket(publishOrigin);
    socket.on('error', (error) => {
      throw error;
    });
    socket.on('data', (chunk: Buffer) => {
      const answers = all.count(chunk);
      const accepted = good.count(chunk);
      this.#counts.acknowledged += accepted * perRequest;
      // Where a status is cut, the next bytes put it right.
      this.#counts.refused += answers - accepted;
      this.#underWay -= answers;
      if (!this.#isOver) this.#send(socket, answers);
    });
    this.#send(socket, requestsAtOnce);
    return socket;
  }

  #send(socket: Socket, count: number): void {
    socket.cork();
    for (let sent = 0; sent < count; sent += 1) {
      const request = this.#requests[this.#next % this.#requests.length];
      if (request === undefined) return;
      this.#next += 1;
      this.#underWay += 1;
      this.#counts.sent += this.#options.perRequest;
      socket.write(request);
    }
    socket.uncork();
  }
}

async function run(options: FlowOptions): Promise<Readonly<Record<string, number>>> {
  const counts: Counts = { acknowledged: 0, refused: 0, sent: 0, received: 0, gaps: 0, live: 0, closed: 0 };
  await subscribeAll(options, counts);
  const { publishing, redis, subscribing } = options.pids;
  const look = () => ({
    ms: performance.now(),
    received: counts.received,
    acknowledged: counts.acknowledged,
    cpu: [publishing, redis, subscribing].map((pid) => cpuSeconds([pid])),
  });
  const publisher = new Publisher(options, counts);
  await pause(WARM_UP_MS);
  // A channel's first event costs more than its others.
  await until(
    () => counts.received >= options.channels,
    () => `${counts.received} events came`,
  );
  const before = look();
  await pause(options.seconds * 1000);
  const after = look();
  publisher.stop();
  const stoppedMs = performance.now();
  // What a gap was told for does not come any more.
  const isWhole = (): boolean => counts.received >= counts.acknowledged || counts.gaps > 0;
  const isThrough = (): boolean => publisher.isDone && isWhole();
  await until(
    isThrough,
    () => `${counts.received} of ${counts.acknowledged} acknowledged events came, and ${counts.gaps} gaps`,
  );
  const drainMs = performance.now() - stoppedMs;
  publisher.close();
  const events = after.received - before.received;
  const seconds = (after.ms - before.ms) / 1000;
  const [ofPublishing = 0, ofRedis = 0, ofSubscribing = 0] = after.cpu.map(
    (cpu, at) => ((cpu - (before.cpu[at] ?? 0)) * 1e6) / events,
  );
  return {
    eventsPerSecond: events / seconds,
    acknowledgedPerSecond: (after.acknowledged - before.acknowledged) / seconds,
    cpuMicrosecondsPublishingHub: ofPublishing,
    cpuMicrosecondsRedis: ofRedis,
    cpuMicrosecondsSubscribingHub: ofSubscribing,
    drainMs,
    gaps: counts.gaps,
    lost: counts.acknowledged - counts.received,
    refused: counts.refused,
    lostConnections: counts.closed,
  };
}

const result = await run(JSON.parse(process.argv[2] ?? '{}') as FlowOptions);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
