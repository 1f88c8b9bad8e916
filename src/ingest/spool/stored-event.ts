import type { Position } from './checkpoint-tracker.js';
import { IngestError } from '../errors.js';
import { spooledBytesOf } from './spool.js';
import type { SpooledEvent } from './spool.js';
import type { LogRecord } from '../../log/index.js';
import { decodeEventRecord } from './event-record.js';
import type { KeptEvent } from './event-record.js';

/** An event of the spool, with what a position behind it is made of. */
export interface StoredEvent extends SpooledEvent, Pick<KeptEvent, 'resumeId' | 'keyMark'> {}

/** A place in the spool: everything up to and with event `through`. */
export interface Mark {
  readonly through: number;
  /** What events up to here count as, since the oldest that was there at the start. */
  readonly bytes: number;
  readonly position: Position;
}

/** @throws IngestError `spool-unreadable`: it is of another Tidegate. */
export function toStoredEvent({ sequence, payload }: LogRecord): StoredEvent {
  const event = decodeEventRecord(payload);
  if (event === undefined)
    throw new IngestError('spool-unreadable', `Cannot read event ${sequence} of the spool: it is of another Tidegate`);
  return { ...event, sequence, bytes: spooledBytesOf(event) };
}

function positionAfter({ resumeId, receivedAt, keyMark }: StoredEvent): Position {
  return { lastEventId: resumeId, receivedAt, ...(keyMark === '' ? {} : { keyMark }) };
}

/** `mark` with the next event behind it. */
export function markAfter(mark: Mark, event: StoredEvent): Mark {
  return { through: event.sequence, bytes: mark.bytes + event.bytes, position: positionAfter(event) };
}
