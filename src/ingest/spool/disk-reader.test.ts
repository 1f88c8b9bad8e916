import { describe, expect, it } from 'vitest';
import type { LogPlace } from '../../log/index.js';
import { SequenceLog } from './sequence-log.js';
import { DiskReader } from './disk-reader.js';
import { encodeEventRecord } from './event-record.js';
import type { Mark, StoredEvent } from './stored-event.js';

const ALL = { eventsMax: Infinity, bytesMax: Infinity };

function eventOf(sequence: number): StoredEvent {
  const id = String(sequence);
  return { id, type: 'message', data: 'x', receivedAt: sequence, resumeId: id, keyMark: '', sequence, bytes: 137 };
}

const markOf = (through: number): Mark => ({
  through,
  bytes: 137 * through,
  position: { lastEventId: String(through), receivedAt: through },
});

/** Events 1 to 5 on a disk that answers when told to, 6 and 7 in memory. */
function setUp() {
  const reads: (() => void)[] = [];
  const log = {
    first: 1,
    async read(from: number | LogPlace) {
      const first = typeof from === 'number' ? from : from.sequence;
      await new Promise<void>((resolve) => reads.push(resolve));
      const records = [1, 2, 3, 4, 5]
        .filter((sequence) => sequence >= first)
        .map((sequence) => ({ sequence, payload: encodeEventRecord(eventOf(sequence)) }));
      return { records, place: { sequence: 6, segment: 1, offset: 0 } };
    },
  };
  const window = new SequenceLog<StoredEvent>(6);
  window.append(eventOf(6));
  window.append(eventOf(7));
  const shared = {
    log,
    window,
    half: { events: 10, bytes: 10_000 },
    newest: () => markOf(7),
    isClosed: () => false,
    changed: () => Promise.resolve(),
    onAcknowledge: () => {},
  };
  return { reader: new DiskReader(shared, { onFull: 'drop', start: markOf(0) }), reads, log };
}

describe('DiskReader', () => {
  it('goes from the disk to memory', async () => {
    const { reader, reads } = setUp();
    const taking = reader.take(ALL);
    reads.shift()?.();
    expect((await taking).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect([reader.pendingEvents, reader.pendingBytes, reads.length]).toEqual([0, 0, 0]);
    reader.acknowledge();
    expect(reader.acknowledged).toEqual(markOf(7));
  });

  it('takes nothing of what was given up while the disk was read', async () => {
    const { reader, reads } = setUp();
    const taking = reader.take(ALL);
    expect(reader.skip(markOf(3))).toBe(3);
    reads.shift()?.();
    // The answer was about events that are lost by now: it reads again.
    await new Promise((resolve) => setImmediate(resolve));
    reads.shift()?.();
    expect((await taking).map(({ sequence }) => sequence)).toEqual([4, 5, 6, 7]);
    expect(reader.acknowledged).toEqual(markOf(3));
    // What it has in hand is lost to nobody but a crash.
    expect(reader.skip(markOf(5))).toBe(0);
    reader.acknowledge();
    expect(reader.acknowledged).toEqual(markOf(7));
  });
});
