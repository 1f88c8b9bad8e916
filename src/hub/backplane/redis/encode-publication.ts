import { EVENT_HEAD_BYTES } from './codec.js';
import type { StoredEvent } from './codec.js';

/** What the script does with a publication: place its events, end its one channel with its one, or make a step of the bridge. */
export const PUBLICATION_KINDS = { publish: 0, end: 1, bridge: 2 } as const;

/** What the publishing script places in one go. */
export interface EncodablePublication {
  readonly kind: keyof typeof PUBLICATION_KINDS;
  /** An end only: the channel must have been quiet since then (milliseconds since 1970; 0: whatever it had). */
  readonly quietSinceMs: number;
  /** Whose rate it counts against; empty is nobody's. Of a step of the bridge, the mark that it expects and the one it sets. */
  readonly publisher: string;
  readonly channels: readonly ChannelToPublish[];
  readonly events: readonly StoredEvent[];
  /** The idempotency key of each event; empty where it has none. No list at all where none has one. */
  readonly keys: readonly string[];
  /** A hash of each event, where there are keys and a channel keeps only the newest of something; else none. */
  readonly prints: readonly string[];
}

export interface ChannelToPublish {
  readonly name: string;
  /** What each event is the newest of, where the channel keeps only that. */
  readonly newestOf: readonly string[] | undefined;
}

/** Its kind (1), since when (8), channels (2), events (4), keys (4). */
const HEAD_BYTES = 19;
/** A text is written behind its length, which takes so many bytes; so is an event. */
const LENGTH_BYTES = 4;

/**
 * One argument of the script, and not one for each field: for the driver, arguments are what costs. Layout: head, publisher,
 * each channel's name and whether it keeps the newest of each key (1), keys, events, what they are the newest of, and their hashes.
 */
export function encodePublication(publication: EncodablePublication): Buffer {
  const { kind, quietSinceMs, publisher, channels, events, keys, prints } = publication;
  const newest = channels.flatMap(({ newestOf = [] }) => newestOf);
  const texts = [publisher, ...channels.map(({ name }) => name), ...keys, ...newest, ...prints];
  const textBytes = texts.reduce((sum, text) => sum + LENGTH_BYTES + Buffer.byteLength(text), 0);
  const eventBytes = events.reduce((sum, event) => sum + LENGTH_BYTES + storedBytes(event), 0);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + textBytes + channels.length + eventBytes);
  let end = bytes.writeUInt8(PUBLICATION_KINDS[kind]);
  end = bytes.writeDoubleLE(quietSinceMs, end);
  end = bytes.writeUInt16LE(channels.length, end);
  end = bytes.writeUInt32LE(events.length, end);
  end = bytes.writeUInt32LE(keys.length, end);
  end = writeText(bytes, publisher, end);
  for (const { name, newestOf } of channels) {
    end = writeText(bytes, name, end);
    end = bytes.writeUInt8(newestOf === undefined ? 0 : 1, end);
  }
  for (const key of keys) end = writeText(bytes, key, end);
  for (const event of events) end = writeEvent(bytes, event, end);
  for (const text of [...newest, ...prints]) end = writeText(bytes, text, end);
  return bytes;
}

function storedBytes({ body }: StoredEvent): number {
  return EVENT_HEAD_BYTES + (body.id === undefined ? 0 : Buffer.byteLength(body.id)) + body.bytes.length;
}

function writeText(bytes: Buffer, text: string, at: number): number {
  const length = bytes.write(text, at + LENGTH_BYTES);
  return bytes.writeUInt32LE(length, at) + length;
}

function writeEvent(bytes: Buffer, { body, isEnd }: StoredEvent, at: number): number {
  const start = at + LENGTH_BYTES;
  bytes.writeUInt8(isEnd ? 1 : 0, start);
  const idBytes = body.id === undefined ? 0 : bytes.write(body.id, start + EVENT_HEAD_BYTES);
  bytes.writeUInt16LE(idBytes, start + 1);
  const bodyStart = start + EVENT_HEAD_BYTES + idBytes;
  bytes.set(body.bytes, bodyStart);
  const end = bodyStart + body.bytes.length;
  bytes.writeUInt32LE(end - start, at);
  return end;
}
