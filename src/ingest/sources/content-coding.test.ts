import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { dataOf, readSse } from '../../../test/support/reading.js';
import { cut, hold, serve, startUpstream, status } from '../../../test/support/upstream.js';
import type { Step } from '../../../test/support/upstream.js';
import { decodeBody, READABLE_CODINGS } from './content-coding.js';

type Compress = (text: string) => { readonly head: Buffer; readonly whole: Buffer };

type ZstdCompress = (text: string, options: { readonly finishFlush?: number }) => Buffer;

/** From Node 22.15 on. */
const { zstdCompressSync, constants } = zlib as unknown as {
  readonly zstdCompressSync?: ZstdCompress;
  readonly constants: { readonly ZSTD_e_flush?: number };
};

/** Zstandard (RFC 8878) made by Node 24, for a Node that cannot make it: `data: a` and its blank line. */
const ZSTD_BODY = Buffer.from('28b52ffd2009490000646174613a20610a0a', 'hex');

/** `head`: a first flush, after which the stream goes on; `whole`: a stream with its end. */
const CODINGS: readonly (readonly [name: string, compress: Compress])[] = [
  ['gzip', (text) => both(zlib.gzipSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH }), zlib.gzipSync(text))],
  [
    'br',
    (text) => {
      const finishFlush = zlib.constants.BROTLI_OPERATION_FLUSH;
      return both(zlib.brotliCompressSync(text, { finishFlush }), zlib.brotliCompressSync(text));
    },
  ],
  ...(zstdCompressSync === undefined ? [] : [['zstd', zstd(zstdCompressSync)] as const]),
];

function zstd(compress: ZstdCompress): Compress {
  return (text) => both(compress(text, { finishFlush: constants.ZSTD_e_flush ?? 1 }), compress(text, {}));
}

function both(head: Buffer, whole: Buffer): { readonly head: Buffer; readonly whole: Buffer } {
  return { head, whole };
}

function send(coding: string, body: Buffer, then: 'end' | 'cut' | 'stay'): Step {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': coding });
    response.write(body, () => {
      if (then === 'end') response.end();
      if (then === 'cut') response.destroy();
    });
  };
}

describe('decodeBody()', () => {
  it.each(CODINGS)('gives what %s has as soon as it is flushed', async (coding, compress) => {
    await using upstream = await startUpstream(send(coding, compress('id: 1\ndata: now\n\n').head, 'stay'));
    const stop = new AbortController();
    const { items } = await readSse({ url: upstream.url }, { signal: stop.signal }, () => stop.abort());
    expect(dataOf(items)).toEqual(['now']);
    expect(upstream.requests[0]?.['accept-encoding']).toBe(READABLE_CODINGS);
  });

  it.each(CODINGS)('reads %s to its end, and takes an end without a trailer as one', async (coding, compress) => {
    const { head, whole } = compress('id: 1\ndata: a\n\n');
    await using upstream = await startUpstream(send(coding, whole, 'end'), send(coding, head, 'end'));
    const { items, source } = await readSse({ url: upstream.url });
    expect(dataOf(items)).toEqual(['a', 'a']);
    expect(source.stats().reconnects).toEqual({ closed: 2 });
  });

  it.each(CODINGS)('reconnects when %s breaks or is none', async (coding, compress) => {
    const { head } = compress('data: a\n\n');
    const noise = send(coding, Buffer.from('this is not compressed at all'), 'end');
    await using upstream = await startUpstream(send(coding, head, 'cut'), noise, serve('data: b\n\n'));
    const { items, source } = await readSse({ url: upstream.url });
    expect(dataOf(items)).toEqual(['a', 'b']);
    expect(source.stats().reconnects).toMatchObject({ broken: 2, closed: 1 });
  });

  it.each(CODINGS)(
    'gives each event once where %s is damaged midway, and goes on behind it',
    async (coding, compress) => {
      const { head } = compress('id: 1\ndata: a\n\n');
      const bad: Step = (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': coding });
        response.write(head, () => sent.push(response));
      };
      const sent: ServerResponse[] = [];
      await using upstream = await startUpstream(bad, serve('id: 2\ndata: b\n\n'));
      const { items, source } = await readSse({ url: upstream.url }, {}, (item) => {
        if (item.kind === 'event' && item.event.data === 'a') sent[0]?.end(Buffer.alloc(1000, 0xff));
      });
      expect(dataOf(items)).toEqual(['a', 'b']);
      expect(source.stats().reconnects).toMatchObject({ broken: 1 });
      expect(upstream.requests[1]).toMatchObject({ 'last-event-id': '1' });
    },
  );

  it('reads zstd that nobody asked for where Node can, and else says what it cannot read', async () => {
    await using upstream = await startUpstream(send('zstd', ZSTD_BODY, 'end'), serve('data: b\n\n'));
    const { items, source, logger } = await readSse({ url: upstream.url, acceptsCompression: false });
    const isKnown = zstdCompressSync !== undefined;
    expect(READABLE_CODINGS.startsWith('zstd')).toBe(isKnown);
    expect(dataOf(items)).toEqual(isKnown ? ['a', 'b'] : ['b']);
    expect(source.stats().reconnects).toMatchObject(isKnown ? { closed: 2 } : { 'not-an-event-stream': 1 });
    expect(JSON.stringify(logger.lines).includes('content coding \\"zstd\\"')).toBe(!isKnown);
  });

  it.each(CODINGS)('gives what came of %s before it broke', async (coding, compress) => {
    const { head } = compress('all of it');
    const broken = (async function* () {
      yield head;
      throw new Error('broke');
    })();
    let got = '';
    const read = async (): Promise<void> => {
      for await (const chunk of decodeBody(broken, coding) ?? []) got += Buffer.from(chunk).toString();
    };
    await expect(read()).rejects.toThrow('broke');
    expect(got).toBe('all of it');
  });

  it('does not read a coding that it does not know, nor ask for one where it shall not', async () => {
    await using upstream = await startUpstream(send('deflate', Buffer.from('x'), 'end'), cut('data: b\n\n'));
    const { source } = await readSse({ url: upstream.url, acceptsCompression: false });
    expect(source.stats().reconnects).toEqual({ 'not-an-event-stream': 1, broken: 1 });
    expect(upstream.requests[0]?.['accept-encoding']).toBe('identity');
  });

  it('leaves the socket alone while nobody reads', async () => {
    const bytes = zlib.gzipSync(Buffer.alloc(256 * 1024 * 1024));
    let sent = 0;
    const source = (async function* () {
      for (let at = 0; at < bytes.length; at += 1024) {
        sent = at;
        yield bytes.subarray(at, at + 1024);
      }
    })();
    const body = decodeBody(source, 'gzip');
    for await (const chunk of body ?? []) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(sent).toBeLessThan(bytes.length / 2);
  });

  it('is over when its connection is', async () => {
    await using upstream = await startUpstream((response, request) => {
      hold('')(response, request);
      void once(response, 'close').then(() => closed.abort());
    }, status(204));
    const closed = new AbortController();
    const stop = new AbortController();
    const reading = readSse({ url: upstream.url }, { signal: stop.signal });
    while (upstream.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await reading;
    if (!closed.signal.aborted) await once(closed.signal, 'abort');
    expect(upstream.requests).toHaveLength(1);
  });
});
