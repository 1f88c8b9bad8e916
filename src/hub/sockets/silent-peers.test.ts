import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { socketKey } from './peer-socket.js';
import type { PeerSocket } from './peer-socket.js';
import { SilentPeers } from './silent-peers.js';
import type { QueuedRow } from './socket-table.js';

/** What the system takes of a connection before it is full. */
const SEND_BUFFER_BYTES = 10_000;
/** TLS adds this to each write. */
const RECORD_BYTES = 22;

/** One connection as the system has it, and as Node shows it. */
class Connection {
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  #written = 0;
  #waiting = 0;
  #queued = 0;
  isGone = false;
  isAnswering = true;
  isCut = false;
  progress = 0;

  constructor(remotePort: number, isEncrypted = false) {
    this.remotePort = remotePort;
    this.isEncrypted = isEncrypted;
  }

  get isBlocked(): boolean {
    return this.#waiting > 0;
  }

  get queued(): number {
    return this.#queued;
  }

  readonly socket: PeerSocket = this.#asSocket();

  #asSocket(): PeerSocket {
    // oxlint-disable-next-line typescript/no-this-alias -- getters of an object of their own
    const connection = this;
    return {
      localAddress: '10.0.0.1',
      localPort: 80,
      remoteAddress: '10.0.0.2',
      get remotePort() {
        return connection.remotePort;
      },
      get bytesWritten() {
        return connection.#written;
      },
      get writableLength() {
        return connection.#waiting;
      },
      get destroyed() {
        return connection.isCut;
      },
      get encrypted() {
        return connection.isEncrypted;
      },
      get _handle() {
        return { bytesWritten: connection.#written, writeQueueSize: connection.#waiting };
      },
    };
  }

  write(bytes: number): void {
    this.#written += bytes;
    this.#waiting += bytes + (this.isEncrypted ? RECORD_BYTES : 0);
    this.#fill();
  }

  /** The peer reads. */
  acknowledge(bytes: number): void {
    if (this.isGone) return;
    const acknowledged = Math.min(bytes, this.#queued);
    this.#queued -= acknowledged;
    this.#fill();
  }

  get row(): QueuedRow {
    return {
      key: socketKey(this.socket) ?? '',
      remotePort: this.remotePort,
      queuedBytes: this.#queued,
      isUnanswered: this.isGone || !this.isAnswering,
    };
  }

  cutStalled(): void {
    this.isCut = true;
  }

  noteProgress(): void {
    this.progress += 1;
  }

  #fill(): void {
    const taken = Math.min(this.#waiting, SEND_BUFFER_BYTES - this.#queued);
    this.#waiting -= taken;
    this.#queued += taken;
  }
}

/** @param whileRead What happens when the system has written its rows, and before they are looked at. */
function watch(connections: readonly Connection[], whileRead = (): void => undefined): SilentPeers {
  const subscribers = {
    get size() {
      return connections.length;
    },
    [Symbol.iterator]: () => connections.filter(({ isCut }) => !isCut)[Symbol.iterator](),
  };
  return new SilentPeers({
    subscribers,
    stallTimeoutMs: 1e9,
    readRows: async () => {
      const rows = connections.filter(({ queued }) => queued > 0).map(({ row }) => row);
      whileRead();
      return rows;
    },
  });
}

const write = fc.record({ kind: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: 30_000 }) });
const read = fc.record({ kind: fc.constant('read' as const), bytes: fc.integer({ min: 1, max: 12_000 }) });
const pass = fc.constant({ kind: 'pass' as const });

describe('SilentPeers', () => {
  it('never cuts a reader that takes at least a byte between two passes, whatever is written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(write, read, pass), { maxLength: 80 }),
        fc.boolean(),
        async (steps, isAnswering) => {
          const connection = new Connection(1000);
          connection.isAnswering = isAnswering;
          const peers = watch([connection]);
          for (const step of steps) {
            if (step.kind === 'write') connection.write(step.bytes);
            if (step.kind === 'read') connection.acknowledge(step.bytes);
            if (step.kind !== 'pass') continue;
            connection.acknowledge(1);
            await peers.pass();
            expect(connection.isCut).toBe(false);
          }
          peers.close();
        },
      ),
    );
  });

  it('tells that a full connection is taken from, however little, and of one that is not, nothing', async () => {
    const [slow, stuck] = [new Connection(1000), new Connection(1001)];
    const peers = watch([slow, stuck]);
    for (const connection of [slow, stuck]) connection.write(50_000);
    for (let at = 0; at < 4; at += 1) {
      await peers.pass();
      slow.acknowledge(1);
    }
    expect([slow.progress, stuck.progress]).toEqual([3, 0]);
    peers.close();
  });

  it.each([false, true])(
    'cuts a peer that has gone at the fifth pass after its last word (TLS: %s)',
    async (isEncrypted) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof(write, read, pass), { maxLength: 30 }),
          fc.array(fc.array(fc.integer({ min: 1, max: 4000 }), { maxLength: 4 }), { minLength: 5, maxLength: 5 }),
          async (before, after) => {
            const connection = new Connection(1000, isEncrypted);
            let passes = 0;
            const peers = watch([connection], () => connection.write(1 + ((passes += 1) % 7) * 100));
            for (const step of before) {
              if (step.kind === 'write') connection.write(step.bytes);
              if (step.kind === 'read') connection.acknowledge(step.bytes);
              if (step.kind !== 'pass') continue;
              connection.acknowledge(SEND_BUFFER_BYTES * 10);
              await peers.pass();
            }
            connection.isGone = true;
            connection.write(3);
            for (const [at, writes] of after.entries()) {
              await peers.pass();
              expect(connection.isCut && at < 3).toBe(false);
              for (const bytes of writes) connection.write(bytes);
            }
            expect(connection.isCut).toBe(true);
            peers.close();
          },
        ),
      );
    },
  );

  it('does not cut a TLS peer that answers: what TLS adds hides what it takes', async () => {
    const connection = new Connection(1000, true);
    const peers = watch([connection]);
    for (let at = 0; at < 20; at += 1) {
      for (let event = 0; event < 50; event += 1) connection.write(1);
      connection.acknowledge(10);
      await peers.pass();
    }
    expect(connection.isCut).toBe(false);
    peers.close();
  });

  it('takes another connection on the same ports for what it is', async () => {
    let connection = new Connection(1000);
    const subscribers = {
      size: 1,
      *[Symbol.iterator]() {
        yield connection;
      },
    };
    const peers = new SilentPeers({ subscribers, stallTimeoutMs: 1e9, readRows: async () => [connection.row] });
    for (let at = 0; at < 20; at += 1) {
      if (at % 4 === 0) {
        connection = new Connection(1000);
        connection.isGone = true;
        connection.write(100);
      }
      await peers.pass();
      expect(connection.isCut).toBe(false);
    }
    peers.close();
  });

  it('reads nothing while there is no subscriber', async () => {
    let reads = 0;
    const peers = new SilentPeers({
      subscribers: { size: 0, [Symbol.iterator]: () => [][Symbol.iterator]() },
      stallTimeoutMs: 1e9,
      readRows: async () => {
        reads += 1;
        return [];
      },
    });
    await peers.pass();
    expect(reads).toBe(0);
    peers.close();
  });
});
