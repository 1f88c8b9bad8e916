import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { encodeEvent } from '../../src/protocol/index.js';
import { hasRecordedData, RECORDED, recordedFile, recordedPath } from './recorded-data.js';

/** An SSE body on disk whose events each have an identity in their data. */
export interface InputStream {
  readonly name: string;
  /** Writes at most `count` events to `file`; returns their identities, in their order. */
  write(file: string, count: number): Promise<readonly string[]>;
  /** Where in the data the identity is, a JSON pointer. */
  readonly pointer: string;
  identityOf(data: string): string;
}

const wikimedia: InputStream = {
  name: `recorded Wikimedia edits ${RECORDED}`,
  pointer: '/meta/id',
  identityOf: (data) => (JSON.parse(data) as { readonly meta: { readonly id: string } }).meta.id,
  async write(file) {
    const body = await readFile(recordedPath('wikimedia', 'recentchange.derived.sse'), 'utf8');
    await writeFile(file, body);
    const lines = body.split('\n').filter((line) => line.startsWith('data: '));
    return lines.map((line) => wikimedia.identityOf(line.slice('data: '.length)));
  },
};

/** JSON lines as events, each numbered in its id and in its data, since lines may be alike. */
function numbered(name: string, read: (count: number) => readonly string[]): InputStream {
  return {
    name,
    pointer: '/n',
    identityOf: (data) => String((JSON.parse(data) as { readonly n: number }).n),
    async write(file, count) {
      const lines = read(count);
      const events = lines.map((line, n) =>
        encodeEvent({ id: `edit-${n}`, event: 'edit', data: `{"n":${n},${line.slice(1)}` }),
      );
      await writeFile(file, Buffer.concat(events));
      return lines.map((_, n) => String(n));
    },
  };
}

const wikiticker = numbered(`a long stream of recorded edits ${RECORDED}`, (count) => {
  const bytes = gunzipSync(recordedFile('wikiticker', 'wikiticker-2015-09-12-sampled.json.gz'));
  return bytes.toString().trimEnd().split('\n').slice(0, count);
});

const madeUp = numbered('a made-up stream of edits', (count) =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({ channel: `#wiki ${at % 7}`, page: `Page ${at}`, comment: 'ж'.repeat(at % 300) }),
  ),
);

/** Recorded streams where they are, else a made-up one. */
export const inputStreams: readonly InputStream[] = hasRecordedData ? [wikimedia, wikiticker] : [madeUp];
export const longStream = hasRecordedData ? wikiticker : madeUp;
