import { createHash } from 'node:crypto';
import { nameTextAt, parsePointer } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { ReceivedEvent } from '../sources/source.js';

/** Says which partition key an event gets: never empty, 256 characters at most. */
export type PartitionKey = (event: ReceivedEvent) => string;

const CHARACTERS_MAX = 256;

/**
 * Reads `random`, `type`, `id` or a JSON pointer into the data. An event that has no such value (no id, no
 * JSON, null) gets a random key. A longer key than Kinesis takes becomes its SHA-256 in hex, so what was
 * equal stays equal and what was not is spread.
 *
 * Source: PutRecordsRequestEntry, Kinesis Data Streams API Reference.
 * @throws IngestError `invalid-option`: `text` is none of these.
 */
export function createPartitionKey(text: string, random: () => number = Math.random): PartitionKey {
  const raw = readRaw(text);
  return (event) => {
    const key = raw(event);
    return key === '' ? randomKey(random) : fit(key);
  };
}

function readRaw(text: string): PartitionKey {
  if (text === 'random') return () => '';
  if (text === 'type') return ({ type }) => type;
  if (text === 'id') return ({ id }) => id;
  const pointer = text === '' ? undefined : parsePointer(text);
  if (pointer === undefined)
    throw new IngestError('invalid-option', `Cannot make partition keys of ${JSON.stringify(text.slice(0, 100))}`);
  return ({ data }) => nameTextAt(data, pointer) ?? '';
}

function randomKey(random: () => number): string {
  return Math.floor(random() * 2 ** 52).toString(36);
}

function fit(key: string): string {
  // A lone surrogate, which JSON can escape, has no bytes.
  const text = key.replaceAll(/\p{Surrogate}/gu, '\uFFFD');
  return text.length <= CHARACTERS_MAX ? text : createHash('sha256').update(text).digest('hex');
}
