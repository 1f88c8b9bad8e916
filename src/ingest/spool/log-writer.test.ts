import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { SequenceLog } from './sequence-log.js';
import { decodeEventRecord } from './event-record.js';
import { LogWriter } from './log-writer.js';
import type { StoredEvent } from './stored-event.js';

/** A disk that takes writes only while `isFull` is false. */
function setUp() {
  const disk = { isFull: false, writes: [] as string[][] };
  const window = new SequenceLog<StoredEvent>();
  const clock = new ManualClock();
  const logger = createCapturingLogger();
  const written: number[] = [];
  let wake: (() => void) | undefined;
  const writer = new LogWriter({
    log: {
      append(records) {
        if (disk.isFull) return Promise.reject(new Error('ENOSPC: no space left on device'));
        disk.writes.push(records.map((record) => decodeEventRecord(Buffer.from(record))?.data ?? ''));
        return Promise.resolve(undefined);
      },
    },
    window,
    writeBytes: 1000,
    written: { through: 0, bytes: 0, position: { lastEventId: '', receivedAt: 0 } },
    clock,
    logger,
    onWritten: () => {
      written.push(writer.written.through);
      wake?.();
    },
    onSegmentEnd: () => {},
  });
  const append = (...texts: readonly string[]): void => {
    for (const data of texts) {
      const sequence = window.next;
      const id = String(sequence);
      const event = { id, type: 'message', data, receivedAt: 0, resumeId: id, keyMark: '' };
      window.append({ ...event, sequence, bytes: 100 + data.length });
      writer.wake();
    }
  };
  const until = async (sequence: number): Promise<void> => {
    while (writer.written.through < sequence) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { disk, writer, clock, logger, written, append, until };
}

describe('LogWriter', () => {
  it('writes in one go what came in one turn, and by writeBytes what is more', async () => {
    const { disk, append, until } = setUp();
    append('a', 'b', 'c');
    await until(3);
    expect(disk.writes).toEqual([['a', 'b', 'c']]);
    append(...Array.from({ length: 30 }, (_, at) => String(at)));
    await until(33);
    expect(disk.writes.length).toBeGreaterThan(3);
    expect(disk.writes.flat().slice(3)).toEqual(Array.from({ length: 30 }, (_, at) => String(at)));
  });

  it('tries again, and loses nothing, where the disk does not take it', async () => {
    const { disk, clock, logger, append, until, writer } = setUp();
    disk.isFull = true;
    append('a');
    await clock.waitForTimers();
    append('b');
    expect(writer.written.through).toBe(0);
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'error', message: 'Cannot write the spool' }));
    disk.isFull = false;
    clock.advance(60_000);
    await until(2);
    expect(disk.writes).toEqual([['a', 'b']]);
  });

  it('close() writes what is left, and does not wait for a disk that is full', async () => {
    const { disk, clock, append, writer } = setUp();
    append('a');
    await writer.close();
    expect(disk.writes).toEqual([['a']]);
    const full = setUp();
    full.disk.isFull = true;
    full.append('a');
    await full.clock.waitForTimers();
    await full.writer.close();
    expect([full.disk.writes, clock.timers]).toEqual([[], 0]);
  });
});
