import { parsePointer } from '../../base/index.js';
import type { Pointer } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { Source } from './source.js';
import { HttpSource } from './http-source.js';
import type { HttpSourceOptions } from './http-source.js';
import { createLineParser } from './line-parser.js';
import type { StreamFormat } from './stream-format.js';

/** Where lines of JSON have what SSE has in fields of its own; JSON pointers. */
export interface NdjsonFields {
  /** The event's id (default: events have none). */
  readonly idField?: string | undefined;
  /** The event type (default: all are `message`). */
  readonly typeField?: string | undefined;
}

export interface NdjsonSourceOptions extends HttpSourceOptions, NdjsonFields {}

/**
 * JSON lines over HTTP(S), by the same rules as Server-Sent Events. Going on where it was needs `idField` and a server that
 * takes the id: as Last-Event-ID, or as `resumeQuery` says.
 * @throws IngestError `invalid-option`.
 */
export function createNdjsonSource(options: NdjsonSourceOptions): Source {
  return new HttpSource(options, createNdjsonFormat(options));
}

/** @throws IngestError `invalid-option`. */
export function createNdjsonFormat({ idField, typeField }: NdjsonFields): StreamFormat {
  const fields = { id: readPointer(idField), type: readPointer(typeField) };
  return {
    accept: 'application/x-ndjson, application/jsonl, application/json;q=0.9, */*;q=0.1',
    // The name was never settled on, so servers have many; these two are surely something else.
    isReadable: (contentType) => !/^text\/(html|event-stream)\s*(;|$)/i.test(contentType),
    hasControlEvents: false,
    createParser: (options) => createLineParser(options, fields),
  };
}

function readPointer(text: string | undefined): Pointer | undefined {
  if (text === undefined) return undefined;
  const pointer = parsePointer(text);
  if (pointer === undefined || pointer.length === 0)
    throw new IngestError('invalid-option', `Cannot read ${JSON.stringify(text)} of each line: it is no JSON pointer`);
  return pointer;
}
