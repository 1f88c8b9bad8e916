import type { Logger } from '../../runtime/index.js';
import type { Subscriber } from '../subscriber.js';
import { bytesTaken, socketKey } from './peer-socket.js';
import type { PeerSocket } from './peer-socket.js';
import { readQueuedRows } from './socket-table.js';
import type { PortSet, QueuedRow } from './socket-table.js';

/** What is watched of a subscriber. */
type Watched = Pick<Subscriber, 'socket' | 'isBlocked' | 'noteProgress' | 'cutStalled'>;

interface SilentPeersOptions {
  readonly subscribers: Iterable<Watched> & { readonly size: number };
  readonly stallTimeoutMs: number;
  readonly logger?: Logger | undefined;
  /** How the system's table is read (default: as Linux has it; elsewhere nothing is watched). */
  readonly readRows?: ((ports: PortSet) => Promise<readonly QueuedRow[]>) | undefined;
}

/** A connection as it was at the last pass. */
interface Sighting {
  readonly socket: PeerSocket;
  readonly queuedBytes: number;
  /** Bytes that the peer has acknowledged, at most; on TLS fewer than that, by what TLS added. */
  readonly acknowledgedMax: number;
  readonly verdict: Verdict;
  /** Passes in a row at which the peer had acknowledged nothing since the one before. */
  readonly passes: number;
}

/** Of one connection at one pass; a peer that is there, or was not seen before, may acknowledge nothing and yet not be silent. */
type Verdict = 'silent' | 'progress' | 'unknown';

/** What is known at one pass. */
interface Pass {
  readonly rows: ReadonlyMap<string, QueuedRow>;
  readonly sightings: ReadonlyMap<string, Sighting>;
  /** What the system had taken of the connections seen before, when the table was not yet read. */
  readonly taken: ReadonlyMap<PeerSocket, number>;
}

/** Passes in one `stallTimeoutMs`. */
const PASSES = 4;
const PASS_MS_MIN = 20;

/**
 * Finds peers that went without a word. Node cannot bound how long data stays unacknowledged (TCP_USER_TIMEOUT), and
 * TCP itself gives up after 16 minutes; so on Linux the system's table of sockets is read once in a quarter of
 * `stallTimeoutMs`, for all of them in one pass. A connection that has something in its queue, and whose peer
 * acknowledged nothing from pass to pass for `stallTimeoutMs`, is cut. It sees the sockets of this network namespace.
 */
export class SilentPeers {
  readonly #options: SilentPeersOptions;
  readonly #readRows: SilentPeersOptions['readRows'];
  readonly #passMs: number;
  #sightings = new Map<string, Sighting>();
  #nextMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SilentPeersOptions) {
    this.#options = options;
    this.#readRows = options.readRows ?? (process.platform === 'linux' ? readQueuedRows : undefined);
    this.#passMs = Math.max(PASS_MS_MIN, options.stallTimeoutMs / PASSES);
    if (this.#readRows !== undefined) this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Looks at all sockets once, and cuts those whose peer has been silent for too long. */
  async pass(): Promise<void> {
    const { subscribers } = this.#options;
    const before = this.#sightings;
    this.#sightings = new Map();
    if (subscribers.size === 0 || this.#readRows === undefined) return;
    const taken = new Map(Array.from(before.values(), ({ socket }) => [socket, bytesTaken(socket)]));
    const rows = await this.#readRows(portsOfBlocked(subscribers));
    if (rows.length === 0 || this.#isClosed) return;
    const pass = { rows: new Map(rows.map((row) => [row.key, row])), sightings: before, taken };
    const ports = new Set(rows.map(({ remotePort }) => remotePort));
    const verdicts = new Map<PeerSocket, Verdict>();
    const silent: Watched[] = [];
    for (const subscriber of subscribers) {
      const { socket } = subscriber;
      if (socket?.remotePort === undefined || !ports.has(socket.remotePort) || socket.destroyed) continue;
      // Streams of one HTTP/2 connection share its fate.
      const verdict = verdicts.get(socket) ?? this.#judge(socket, pass);
      verdicts.set(socket, verdict);
      if (verdict === 'silent') silent.push(subscriber);
      else if (verdict === 'progress' && socket.writableLength > 0) subscriber.noteProgress();
    }
    for (const subscriber of silent) subscriber.cutStalled();
  }

  #judge(socket: PeerSocket, { rows, sightings, taken }: Pass): Verdict {
    const key = socketKey(socket);
    const row = key === undefined ? undefined : rows.get(key);
    if (key === undefined || row === undefined) return 'unknown';
    const before = sightings.get(key);
    // The same addresses and ports may be another connection by now.
    const isSame = before?.socket === socket;
    const now = sight(socket, row, isSame ? { sighting: before, taken: taken.get(socket) ?? 0 } : undefined);
    this.#sightings.set(key, now);
    return now.verdict;
  }

  /** At fixed times: passes that come late on a busy machine do not move those after them. */
  #schedule(): void {
    const nowMs = performance.now();
    this.#nextMs = Math.max(this.#nextMs + this.#passMs, nowMs);
    this.#timer = setTimeout(() => void this.#run(), this.#nextMs - nowMs).unref();
  }

  async #run(): Promise<void> {
    try {
      await this.pass();
    } catch (error) {
      this.#options.logger?.warn(
        { err: error },
        'Cannot read the table of sockets: clients that vanish are noticed late, when TCP gives up',
      );
      return;
    }
    if (!this.#isClosed) this.#schedule();
  }
}

/**
 * A connection now, compared with how it was a pass before. Heartbeats let the queue of a peer that has gone grow, and
 * events that of a slow one; so what counts is what the system has taken less what it still holds. What is written while
 * the table is read may be in its rows or not: the least that was acknowledged by now is compared with the most that
 * was before. TLS adds bytes that are not counted: there a peer that answers is not silent.
 */
function sight(
  socket: PeerSocket,
  { queuedBytes, isUnanswered }: QueuedRow,
  before: { readonly sighting: Sighting; readonly taken: number } | undefined,
): Sighting {
  const now = { socket, queuedBytes, acknowledgedMax: bytesTaken(socket) - queuedBytes };
  if (before === undefined) return { ...now, verdict: 'unknown', passes: 0 };
  const { sighting, taken } = before;
  if (taken - queuedBytes > sighting.acknowledgedMax || queuedBytes < sighting.queuedBytes)
    return { ...now, verdict: 'progress', passes: 0 };
  if (socket.encrypted === true && !isUnanswered) return { ...now, verdict: 'unknown', passes: 0 };
  const passes = sighting.passes + 1;
  return { ...now, verdict: passes >= PASSES ? 'silent' : 'unknown', passes };
}

/** Ports of peers whose sockets take nothing more: of these it is asked whether they take a little. */
function portsOfBlocked(subscribers: Iterable<Watched>): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const subscriber of subscribers) {
    const socket = subscriber.isBlocked ? subscriber.socket : undefined;
    if (socket?.remotePort !== undefined && socket.writableLength > 0) ports.add(socket.remotePort);
  }
  return ports;
}
