import { eventCountOf } from './object-journal.js';
import type { PlannedObject } from './object-journal.js';
import type { Compression, Encoding, ObjectFormat } from './object-encoder.js';

/** What is said about an object of data, in an object of its own that is written after it. */
export interface Manifest {
  readonly version: 1;
  readonly pipeline: string;
  /** Names the run of objects that this one belongs to; their numbers rise by one from 1. */
  readonly chain: string;
  readonly number: number;
  /** The key of the data. */
  readonly key: string;
  readonly format: ObjectFormat;
  readonly compression: Compression;
  /** The id of the event before the first; empty for the first object of a chain. */
  readonly after: string;
  readonly firstId: string;
  readonly lastId: string;
  /** RFC 3339: when the first event arrived. */
  readonly arrivedAt: string;
  /** Events. */
  readonly count: number;
  /** Size of the object. */
  readonly bytes: number;
  /** SHA-256 of the object's bytes, in hexadecimal. */
  readonly sha256: string;
  /** SHA-256 over its events, which is the same whatever the format: two objects of one digest hold the same. */
  readonly digest: string;
}

export interface ManifestSource extends Encoding {
  readonly pipeline: string;
  readonly chain: string;
}

export function manifestOf(
  { number, key, after, firstId, lastId, arrivedAt, digest, ...rest }: PlannedObject,
  { pipeline, chain, format, compression }: ManifestSource,
  stored: { readonly bytes: number; readonly sha256: string },
): Manifest {
  return {
    version: 1,
    pipeline,
    chain,
    number,
    key,
    format,
    compression,
    after,
    firstId,
    lastId,
    arrivedAt: new Date(arrivedAt).toISOString(),
    count: eventCountOf(rest),
    bytes: stored.bytes,
    sha256: stored.sha256,
    digest,
  };
}

/** Beside the keys of data, not among them: a table over the data's prefix must not read manifests. */
export function manifestKeyOf(manifestPrefix: string, key: string): string {
  return `${manifestPrefix}${key}.json`;
}

/** Undefined where `text` is no manifest of this version. */
export function parseManifest(text: string): Manifest | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || !('version' in value) || value.version !== 1) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const areTexts = TEXTS.every((name) => typeof fields[name] === 'string');
  const areCounts = COUNTS.every((name) => Number.isSafeInteger(fields[name]));
  return areTexts && areCounts ? (value as unknown as Manifest) : undefined;
}

const TEXTS = ['pipeline', 'chain', 'key', 'after', 'firstId', 'lastId', 'arrivedAt', 'sha256', 'digest'] as const;
const COUNTS = ['number', 'count', 'bytes'] as const;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
