import type { Duplex } from 'node:stream';
import * as zlib from 'node:zlib';

/** Newer than the oldest Node that Tidegate runs on: 22.15. */
interface WithZstd {
  readonly createZstdDecompress?: (options: { readonly finishFlush: number }) => Duplex;
  readonly constants: { readonly ZSTD_e_flush?: number };
}

const { createZstdDecompress, constants } = zlib as unknown as WithZstd;

/** Bodies that end without the coding's own end are taken as they are: the stream was cut off, not damaged. */
const DECODERS: ReadonlyMap<string, () => Duplex> = new Map([
  ...(createZstdDecompress === undefined
    ? []
    : [['zstd', () => createZstdDecompress({ finishFlush: constants.ZSTD_e_flush ?? 1 })] as const]),
  ['br', () => zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH })],
  ['gzip', () => zlib.createGunzip({ finishFlush: zlib.constants.Z_SYNC_FLUSH })],
]);

/** The codings that can be read here, as `Accept-Encoding` says them (RFC 9110, 12.5.3). */
export const READABLE_CODINGS = [...DECODERS.keys()].join(', ');

/**
 * The bytes of `body` without its content coding, each as soon as it can be had; while nobody reads, `body` is
 * not read either. Undefined where the coding is unknown.
 */
export function decodeBody(body: AsyncIterable<Uint8Array>, coding: string): AsyncIterable<Uint8Array> | undefined {
  const name = coding.trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  const decoder = DECODERS.get(name === 'x-gzip' ? 'gzip' : name)?.();
  if (decoder === undefined) return undefined;
  return decode(body, decoder);
}

async function* decode(body: AsyncIterable<Uint8Array>, decoder: Duplex): AsyncGenerator<Uint8Array, void> {
  let failure: { readonly error: unknown } | undefined;
  // What came before a break is still to be had.
  void feed(body, decoder).catch((error: unknown) => {
    failure = { error };
    decoder.end();
  });
  yield* decoder as AsyncIterable<Uint8Array>;
  if (failure !== undefined) throw failure.error;
}

async function feed(body: AsyncIterable<Uint8Array>, decoder: Duplex): Promise<void> {
  for await (const chunk of body) {
    if (decoder.destroyed) return;
    if (!decoder.write(chunk)) await drained(decoder);
  }
  decoder.end();
}

/** Resolves where nobody will read on, too. */
function drained(decoder: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      decoder.off('drain', settle).off('close', settle);
      resolve();
    };
    decoder.on('drain', settle).on('close', settle);
  });
}
