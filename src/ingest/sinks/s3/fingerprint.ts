import { createHash, hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReceivedEvent } from '../../sources/source.js';

/** Characters of one fingerprint: 48 bits as base64url. */
export const FINGERPRINT_CHARACTERS = 8;

const EVENTS_A_TURN = 1000;

/** Stands for an event without an id: the source cannot give it again, so it is like no other. */
const NO_FINGERPRINT = '-'.repeat(FINGERPRINT_CHARACTERS);

/**
 * Names an event by what the source gave: id, type and data, without the time of arrival, which is another one
 * when the event comes again. Undefined for an event without an id.
 */
export function fingerprintOf(event: ReceivedEvent): string | undefined {
  return event.id === '' ? undefined : hashOf(event).slice(0, FINGERPRINT_CHARACTERS);
}

/** What `events` are, whatever the format or the compression of their object. */
export interface ContentNames {
  /** The fingerprints one after the other. */
  readonly fingerprints: string;
  /** SHA-256 over all of them in full, in hexadecimal. */
  readonly digest: string;
}

export async function nameContent(events: readonly ReceivedEvent[]): Promise<ContentNames> {
  const digest = createHash('sha256');
  let fingerprints = '';
  for (let start = 0; start < events.length; start += EVENTS_A_TURN) {
    let names = '';
    for (const event of events.slice(start, start + EVENTS_A_TURN)) {
      const name = hashOf(event);
      names += name;
      fingerprints += event.id === '' ? NO_FINGERPRINT : name.slice(0, FINGERPRINT_CHARACTERS);
    }
    digest.update(names);
    // A large object must not keep the source waiting.
    if (start + EVENTS_A_TURN < events.length) await nextTurn();
  }
  return { fingerprints, digest: digest.digest('hex') };
}

/** The lengths keep two events from looking alike where one's id ends as the other's type begins. */
function hashOf({ id, type, data }: ReceivedEvent): string {
  return hash('sha256', `${id.length}:${type.length}:${id}${type}${data}`, 'base64url');
}
