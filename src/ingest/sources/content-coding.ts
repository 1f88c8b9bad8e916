import type { Duplex } from 'node:stream';
import * as zlib from 'node:zlib';

interface Flushing {
  readonly finishFlush?: number;
}

/** Newer than the oldest Node that Tidegate runs on: 22.15. */
interface WithZstd {
  readonly createZstdDecompress?: (options: Flushing) => Duplex;
  readonly constants: { readonly ZSTD_e_flush?: number };
}

const { createZstdDecompress, constants } = zlib as unknown as WithZstd;

interface Coding {
  readonly create: (options: Flushing) => Duplex;
  /** How a decoder ends that takes what there is. */
  readonly flush: number;
}

const CODINGS: ReadonlyMap<string, Coding> = new Map([
  ...(createZstdDecompress === undefined
    ? []
    : [['zstd', { create: createZstdDecompress, flush: constants.ZSTD_e_flush ?? 1 }] as const]),
  ['br', { create: zlib.createBrotliDecompress, flush: zlib.constants.BROTLI_OPERATION_FLUSH }],
  ['gzip', { create: zlib.createGunzip, flush: zlib.constants.Z_SYNC_FLUSH }],
]);

/** The codings that can be read here, as `Accept-Encoding` says them (RFC 9110, 12.5.3). */
export const READABLE_CODINGS = [...CODINGS.keys()].join(', ');

/**
 * The bytes of `body` without its content coding, each as soon as it can be had; while nobody reads, `body` is
 * not read either. A body that ends without the coding's own end is taken as it is: the stream was cut off, not damaged.
 * Undefined where the coding is unknown.
 */
export function decodeBody(body: AsyncIterable<Uint8Array>, coding: string): AsyncIterable<Uint8Array> | undefined {
  return decodeBy(body, coding, ({ flush }) => ({ finishFlush: flush }));
}

/** As {@link decodeBody}, but what ends without the coding's own end is torn. @throws Error it is. */
export function decodeWhole(body: AsyncIterable<Uint8Array>, coding: string): AsyncIterable<Uint8Array> | undefined {
  return decodeBy(body, coding, () => ({}));
}

function decodeBy(
  body: AsyncIterable<Uint8Array>,
  coding: string,
  optionsOf: (found: Coding) => Flushing,
): AsyncIterable<Uint8Array> | undefined {
  const name = coding.trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  const found = CODINGS.get(name === 'x-gzip' ? 'gzip' : name);
  return found === undefined ? undefined : decode(body, found.create(optionsOf(found)));
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
