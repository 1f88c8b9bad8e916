import { open } from 'node:fs/promises';

/** A socket of this network namespace whose peer has not acknowledged everything. */
export interface QueuedRow {
  /** As {@link import('./peer-socket.js').socketKey} writes it. */
  readonly key: string;
  readonly remotePort: number;
  /** Bytes that the system holds for the peer, sent or not. */
  readonly queuedBytes: number;
  /** The peer has left a repetition, or a question for room, without an answer. */
  readonly isUnanswered: boolean;
}

/** Which rows are told: those whose peer acknowledges nothing for now, and those of these ports of the peer. */
export type PortSet = ReadonlySet<number>;

const TABLES = [
  { path: '/proc/net/tcp', addressDigits: 8 },
  { path: '/proc/net/tcp6', addressDigits: 32 },
] as const;

/** The system hands over one page of rows for each read, however large the buffer. */
const BUFFER_BYTES = 16 * 1024;

const LF = 10;
const COLON = 58;
const ZERO = 48;
const SPACE = 32;

/** The timer of a peer that said it has no room. */
const PROBE_TIMER = 4;

/**
 * Rows of all TCP sockets with something in their queue and a peer that takes nothing just now, or with one of `ports`.
 * The tables are read a page at a time, each in a turn of its own, so that a hundred thousand sockets never hold the loop.
 * @throws Error of the system where there is no such table, or it may not be read.
 */
export async function readQueuedRows(ports: PortSet): Promise<readonly QueuedRow[]> {
  const rows: QueuedRow[] = [];
  for (const { path, addressDigits } of TABLES) {
    const parser = new RowParser(addressDigits, ports, rows);
    await readTable(path, parser);
  }
  return rows;
}

async function readTable(path: string, parser: RowParser): Promise<void> {
  const file = await open(path).catch((error: unknown) => {
    // A machine without IPv6 has one table only.
    if (path !== TABLES[0].path && error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  });
  if (file === undefined) return;
  try {
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    let kept = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, kept, buffer.length - kept);
      if (bytesRead === 0) return;
      const end = kept + bytesRead;
      const used = parser.push(buffer, end);
      buffer.copyWithin(0, used, end);
      kept = end - used;
    }
  } finally {
    await file.close();
  }
}

/**
 * Reads the rows of `/proc/net/tcp{,6}` from their bytes: of most, nothing but the queue's eight digits. A row is
 * `sl: local:port remote:port st tx:rx tr:when retrnsmt uid timeout …`, up to `retrnsmt` in columns of fixed width.
 */
export class RowParser {
  readonly #addressDigits: number;
  readonly #ports: PortSet;
  readonly #rows: QueuedRow[];

  constructor(addressDigits: number, ports: PortSet, rows: QueuedRow[]) {
    this.#addressDigits = addressDigits;
    this.#ports = ports;
    this.#rows = rows;
  }

  /** Reads the whole rows in the first `end` bytes; returns how many bytes they are. */
  push(bytes: Buffer, end: number): number {
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(LF, at);
      if (lineEnd === -1 || lineEnd >= end) return at;
      this.#readRow(bytes, at, lineEnd);
      at = lineEnd + 1;
    }
  }

  #readRow(bytes: Buffer, start: number, lineEnd: number): void {
    const colon = bytes.indexOf(COLON, start);
    const local = colon + 2;
    const endpointDigits = this.#addressDigits + 5;
    const remote = local + endpointDigits + 1;
    const queue = remote + endpointDigits + 4;
    const timer = queue + 18;
    const retransmits = timer + 12;
    const user = retransmits + 9;
    // The line of titles is shorter, or has its colon elsewhere.
    if (colon === -1 || user > lineEnd || isZero(bytes, queue)) return;
    const remotePort = readHex(bytes, remote + endpointDigits - 4, 4);
    const isUnanswered = !isZero(bytes, retransmits) || probesOf(bytes, user, lineEnd) > 0;
    const isAskedForRoom = readHex(bytes, timer, 2) === PROBE_TIMER;
    if (!isUnanswered && !isAskedForRoom && !this.#ports.has(remotePort)) return;
    const queuedBytes = readHex(bytes, queue, 8);
    if (Number.isNaN(queuedBytes) || Number.isNaN(remotePort)) return;
    this.#rows.push({
      key: bytes.toString('latin1', local, remote + endpointDigits),
      remotePort,
      queuedBytes,
      isUnanswered,
    });
  }
}

/** Whether the eight digits from `at` on are all 0. */
function isZero(bytes: Buffer, at: number): boolean {
  for (let digit = 0; digit < 8; digit += 1) if (bytes[at + digit] !== ZERO) return false;
  return true;
}

function readHex(bytes: Buffer, at: number, digits: number): number {
  return Number.parseInt(bytes.toString('latin1', at, at + digits), 16);
}

/** The number behind the user's: questions for room, and others, that the peer has not answered. */
function probesOf(bytes: Buffer, user: number, lineEnd: number): number {
  let at = user;
  while (at < lineEnd && bytes[at] === SPACE) at += 1;
  while (at < lineEnd && bytes[at] !== SPACE) at += 1;
  const probes = Number.parseInt(bytes.toString('latin1', at, Math.min(at + 12, lineEnd)), 10);
  return Number.isNaN(probes) ? 0 : probes;
}
