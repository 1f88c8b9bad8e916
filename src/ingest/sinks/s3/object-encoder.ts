import { createHash } from 'node:crypto';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as zlib from 'node:zlib';
import { IngestError } from '../../errors.js';
import { formatRecord } from '../../format.js';
import type { Format } from '../../format.js';
import type { SpooledEvent } from '../../spool/spool.js';
import { encodeParquet } from './parquet.js';

export type Compression = 'none' | 'gzip' | 'zstd';

/** `parquet`: a table with a row for each event. The others as in {@link Format}. */
export type ObjectFormat = Format | 'parquet';

/** What becomes of events in an object. */
export interface Encoding {
  readonly format: ObjectFormat;
  readonly compression: Compression;
}

/** An object's bytes, ready to be sent. */
export interface EncodedObject {
  readonly body: Buffer;
  /** SHA-256 of the body, in hexadecimal. */
  readonly sha256: string;
}

const SUFFIXES: Readonly<Record<Compression, string>> = { none: '', gzip: '.gz', zstd: '.zst' };
const CONTENT_TYPES: Readonly<Record<Compression, string>> = {
  none: 'application/x-ndjson',
  gzip: 'application/gzip',
  zstd: 'application/zstd',
};
/** Text made at once: long enough to be worth a call, short enough to leave the loop to others. */
const CHUNK_CHARACTERS = 256 * 1024;

/** How the keys of such objects end: `.ndjson.gz`. */
export function extensionOf({ format, compression }: Encoding): string {
  if (format === 'parquet') return '.parquet';
  return `${format === 'data' ? '.data' : '.ndjson'}${SUFFIXES[compression]}`;
}

/** Never a content encoding: clients would take it off, and find other bytes than the manifest names. */
export function contentTypeOf({ format, compression }: Encoding): string {
  if (format === 'parquet') return 'application/vnd.apache.parquet';
  return compression === 'none' && format === 'data' ? 'application/octet-stream' : CONTENT_TYPES[compression];
}

/** @throws IngestError `invalid-option`: this Node cannot compress so. */
export function checkCompression(compression: Compression): void {
  if (compression === 'zstd' && zstdOf() === undefined)
    throw new IngestError(
      'invalid-option',
      `Cannot compress with zstd on Node ${process.versions.node}: it needs Node 22.15 or newer; use gzip`,
    );
}

/** The bytes of one object with `events`: the same for the same events, times of arrival included. */
export async function encodeObject(
  events: readonly SpooledEvent[],
  { format, compression }: Encoding,
): Promise<EncodedObject> {
  const body =
    format === 'parquet' ? await encodeParquet(events, compression) : await encodeText(events, format, compression);
  return { body, sha256: createHash('sha256').update(body).digest('hex') };
}

async function encodeText(events: readonly SpooledEvent[], format: Format, compression: Compression): Promise<Buffer> {
  const parts: Buffer[] = [];
  const keep = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) parts.push(chunk);
  };
  if (compression === 'none') await keep(chunksOf(events, format));
  else await pipeline(chunksOf(events, format), createCompressor(compression), keep);
  return Buffer.concat(parts);
}

async function* chunksOf(events: readonly SpooledEvent[], format: Format): AsyncGenerator<Buffer> {
  let text = '';
  for (const event of events) {
    text += formatRecord(event, format);
    if (text.length < CHUNK_CHARACTERS) continue;
    yield Buffer.from(text);
    text = '';
    // A large object must not keep the source waiting.
    await nextTurn();
  }
  if (text !== '') yield Buffer.from(text);
}

function createCompressor(compression: 'gzip' | 'zstd'): Transform {
  if (compression === 'gzip') return zlib.createGzip();
  checkCompression(compression);
  return zstdOf()?.() ?? zlib.createGzip();
}

/** Later than the oldest Node that is served, so its types do not know it. */
function zstdOf(): (() => Transform) | undefined {
  return (zlib as { readonly createZstdCompress?: () => Transform }).createZstdCompress;
}
