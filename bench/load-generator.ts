// Opens many SSE connections, counts events and samples their latency, in a process of its own:
//   tsx bench/load-generator.ts '{"url": "...", "connections": 1000, "seconds": 5, "serverPids": [1]}'
// Prints one line of JSON. What it counts is the start of an event's data, `{"t":<unix ns>`.
import { createGunzip } from 'node:zlib';

import { cpuSeconds, residentBytes } from './process-usage.js';
import { unixNanoseconds } from './unix-time.js';
import { StreamOpener } from './wire.js';
import type { Wire } from './wire.js';

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly serverPids: readonly number[];
  /** Connects as fast as it can, and measures how long it takes until all have their first byte. */
  readonly isBurst?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `http`. */
  readonly wire?: Wire;
  /**
   * Asks for gzip. Only the connections that are looked at for latency are then unpacked and counted, and all others
   * are taken to have got as many events.
   */
  readonly isGzip?: boolean;
}

export interface LoadResult {
  readonly connections: number;
  readonly refused: number;
  readonly closed: number;
  readonly eventsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly eventsPerRead: number;
  readonly serverCores: number;
  readonly deliveriesPerCpuSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** The fewest and the most events that any connection got: far apart means that some fell behind. */
  readonly perConnection: readonly [fewest: number, most: number];
  readonly bytesPerConnection: number;
  /** Until every connection had its first byte. */
  readonly answeredMs: number;
}

const LINE_END_BYTES = 2;
const MARK = Buffer.from('{"t":');
/** Every so many connections one is looked at for latency. */
const SAMPLED = 97;
const PACED_CONNECTS = 500;
const PACE_MS = 20;
const SETTLE_MS = 1500;
const WARM_UP_MS = 1000;

interface SampledOptions {
  /** Where latencies go, of a connection that is looked at. */
  readonly latenciesMs: number[] | undefined;
  readonly onAnswered: () => void;
}

class Connection {
  events = 0;
  bytes = 0;
  reads = 0;
  isAnswered = false;
  isClosed = false;
  readonly isSampled: boolean;
  readonly #onAnswered: () => void;
  readonly #latenciesMs: number[] | undefined;
  readonly #unpack: ((chunk: Buffer) => void) | undefined;
  #carry: Buffer = Buffer.alloc(0);

  constructor(opener: StreamOpener, options: LoadOptions, sampled: SampledOptions) {
    this.isSampled = sampled.latenciesMs !== undefined;
    this.#latenciesMs = sampled.latenciesMs;
    this.#onAnswered = sampled.onAnswered;
    if (options.isGzip === true) this.#unpack = this.isSampled ? this.#gunzip(options.wire) : () => undefined;
    opener.open({ onChunk: (chunk) => this.#take(chunk), onClosed: () => (this.isClosed = true) });
  }

  reset(): void {
    this.events = 0;
    this.bytes = 0;
    this.reads = 0;
  }

  #take(chunk: Buffer): void {
    this.reads += 1;
    this.bytes += chunk.length;
    if (!this.isAnswered) {
      this.isAnswered = true;
      this.#onAnswered();
    }
    if (this.#unpack) this.#unpack(chunk);
    else this.#read(chunk);
  }

  /** On HTTP/1.1 the head comes before what is packed; it is small and comes in one read. */
  #gunzip(wire: Wire | undefined): (chunk: Buffer) => void {
    const gunzip = createGunzip().on('data', (chunk: Buffer) => this.#read(chunk));
    const unpack = (bytes: Buffer): void => void gunzip.write(bytes);
    if (wire === 'http2') return unpack;
    let take: ((bytes: Buffer) => void) | undefined;
    return (chunk) => {
      if (take !== undefined) return take(chunk);
      const bodyAt = chunk.indexOf('\r\n\r\n') + 4;
      take = /^transfer-encoding: chunked\r$/im.test(chunk.toString('latin1', 0, bodyAt)) ? dechunk(unpack) : unpack;
      take(chunk.subarray(bodyAt));
    };
  }

  #read(chunk: Buffer): void {
    // A mark, or a time behind it, may be cut: what could be its beginning is read again with the next bytes.
    const bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    let at = bytes.indexOf(MARK);
    let end = 0;
    while (at !== -1 && at + 30 <= bytes.length) {
      this.events += 1;
      if (this.#latenciesMs)
        this.#latenciesMs.push(
          (unixNanoseconds() - Number.parseInt(bytes.toString('latin1', at + 5, at + 26), 10)) / 1e6,
        );
      end = at + 30;
      at = bytes.indexOf(MARK, end);
    }
    this.#carry = bytes.subarray(at === -1 ? Math.max(end, bytes.length - MARK.length + 1) : at);
  }
}

/** Takes a body in chunks, cut anywhere, and hands on what is in them. */
function dechunk(take: (bytes: Buffer) => void): (bytes: Buffer) => void {
  /** Bytes of the chunk that are still to come, and of the line end behind it. */
  let left = 0;
  let line = '';
  return (bytes) => {
    for (let at = 0; at < bytes.length;) {
      if (left > LINE_END_BYTES) {
        const data = bytes.subarray(at, at + left - LINE_END_BYTES);
        take(data);
        left -= data.length;
        at += data.length;
      } else if (left > 0) {
        left -= 1;
        at += 1;
      } else {
        line += String.fromCharCode(bytes[at] ?? 0);
        at += 1;
        if (!line.endsWith('\n')) continue;
        left = Number.parseInt(line, 16) + LINE_END_BYTES;
        line = '';
      }
    }
  };
}

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

async function run(options: LoadOptions): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const connections: Connection[] = [];
  const headers = options.isGzip === true ? { 'Accept-Encoding': 'gzip' } : options.headers;
  const opener = new StreamOpener(options.url, options.wire ?? 'http', headers);
  const residentBefore = residentBytes(options.serverPids);
  const startedMs = performance.now();
  let answered = 0;
  let answeredMs = Number.NaN;
  for (let at = 0; at < options.connections; at += 1) {
    const onAnswered = (): void => {
      answered += 1;
      if (answered === options.connections) answeredMs = performance.now() - startedMs;
    };
    const isSampled = at % SAMPLED === 0;
    connections.push(new Connection(opener, options, { latenciesMs: isSampled ? latenciesMs : undefined, onAnswered }));
    if (options.isBurst !== true && at % PACED_CONNECTS === PACED_CONNECTS - 1) await pause(PACE_MS);
  }
  await pause(SETTLE_MS);
  const residentAfter = residentBytes(options.serverPids);
  await pause(WARM_UP_MS);
  latenciesMs.length = 0;
  for (const connection of connections) connection.reset();
  const cpuBefore = cpuSeconds(options.serverPids);
  const measuredFromMs = performance.now();
  await pause(options.seconds * 1000);
  const seconds = (performance.now() - measuredFromMs) / 1000;
  const cpu = cpuSeconds(options.serverPids) - cpuBefore;
  const counted = connections.filter(({ isSampled }) => isSampled || options.isGzip !== true);
  const counts = counted.map((connection) => connection.events);
  const events = (counts.reduce((sum, count) => sum + count, 0) * connections.length) / counted.length;
  const sorted = Float64Array.from(latenciesMs).toSorted();
  const quantile = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return {
    connections: options.connections,
    refused: connections.filter(({ isAnswered }) => !isAnswered).length,
    closed: connections.filter(({ isClosed }) => isClosed).length,
    eventsPerSecond: events / seconds,
    bytesPerSecond: connections.reduce((sum, { bytes }) => sum + bytes, 0) / seconds,
    eventsPerRead: events / connections.reduce((sum, { reads }) => sum + reads, 0),
    serverCores: cpu / seconds,
    deliveriesPerCpuSecond: events / cpu,
    latencyMs: { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) },
    perConnection: [Math.min(...counts), Math.max(...counts)],
    bytesPerConnection: (residentAfter - residentBefore) / options.connections,
    answeredMs,
  };
}

const result = await run(JSON.parse(process.argv[2] ?? '{}') as LoadOptions);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
