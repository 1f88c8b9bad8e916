import { createHash } from 'node:crypto';

import { quote } from '../protocol/index.js';
import type { Channel } from './channel.js';
import { HubError } from './errors.js';
import { asHubError } from './event.js';
import type { PublishEvent } from './event.js';
import { encodeFrame } from './frame.js';
import type { EncodedFrame } from './frame.js';
import type { KeyedEvent } from './idempotency-keys.js';
import type { ChannelStore } from './store.js';

/** Encodes an event at its place. @throws HubError where the encoder refuses. */
export function encodePublished(event: PublishEvent, cursor: string): EncodedFrame {
  try {
    return encodeFrame(event, cursor);
  } catch (error) {
    throw asHubError(error);
  }
}

/** A hash of all that makes an event what it is, with line breaks as readers get them: 8 bytes in base64url. */
export function fingerprintOf({ event = '', id = '', retry, data }: PublishEvent): string {
  const text = [event, id, retry ?? '', data.replaceAll(/\r\n?/g, '\n')].join('\0');
  return createHash('sha256').update(text).digest('base64url').slice(0, FINGERPRINT_CHARACTERS);
}

const FINGERPRINT_CHARACTERS = 11;

/**
 * Nothing may be placed before all events have passed (PROTOCOL.md, 6.4).
 * @throws HubError `idempotency-mismatch` with the first event whose key is of another one, here or in a channel's history.
 */
export function refuseMismatches(
  store: ChannelStore,
  channels: readonly Channel[],
  events: readonly PublishEvent[],
): void {
  let firsts: Map<string, PublishEvent> | undefined;
  for (let at = 0; at < events.length; at += 1) {
    const event = events[at];
    const key = event?.idempotencyKey;
    if (event === undefined || key === undefined) continue;
    if (events.length > 1) {
      firsts ??= new Map();
      const first = firsts.get(key);
      if (first === undefined) firsts.set(key, event);
      else if (!isSame(first, event)) throw mismatch(key, at);
    }
    for (const channel of channels) if (isOfAnother(store, channel, { key, event })) throw mismatch(key, at);
  }
}

export function mismatch(key: string, event: number): HubError {
  const message = `Cannot publish again under idempotency key ${quote(key)}: it was another event`;
  return new HubError('idempotency-mismatch', message, { event });
}

function isOfAnother(
  store: ChannelStore,
  channel: Channel,
  { key, event }: { readonly key: string; readonly event: PublishEvent },
): boolean {
  const found = channel.findKey(key);
  return found !== undefined && !isKept(store, channel, { found, event });
}

/** Whether what was published is the event: compared with what history holds, or by its hash where that is replaced. */
function isKept(
  store: ChannelStore,
  channel: Channel,
  { found, event }: { readonly found: KeyedEvent; readonly event: PublishEvent },
): boolean {
  if (found.fingerprint !== undefined) return found.fingerprint === fingerprintOf(event);
  const [frame] = channel.history.framesAfter(found.offset - 1);
  const cursor = store.formatCursor(found.offset);
  return Buffer.compare(store.stamped(encodePublished(event, cursor), cursor).bytes, frame?.bytes ?? NO_BYTES) === 0;
}

const NO_BYTES = new Uint8Array(0);

function isSame(one: PublishEvent, other: PublishEvent): boolean {
  return one === other || Buffer.compare(encodePublished(one, '').bytes, encodePublished(other, '').bytes) === 0;
}
