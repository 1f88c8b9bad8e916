import { setImmediate as nextTurn } from 'node:timers/promises';
import * as zlib from 'node:zlib';
import type { SpooledEvent } from '../../spool/spool.js';

/** Rows between two turns of the loop; a reader skips over groups by their statistics. */
const GROUP_ROWS = 5000;

type Compressor = (bytes: Uint8Array) => Uint8Array;

/**
 * A Parquet file with a row for each event: `id`, `type` and `data` as text, `receivedAt` in milliseconds UTC. Pages
 * are compressed, not the file, and on the one thread that there is.
 */
export async function encodeParquet(
  events: readonly SpooledEvent[],
  compression: 'none' | 'gzip' | 'zstd',
): Promise<Buffer> {
  // Loaded when it is needed: most never write such a file.
  const { ByteWriter, parquetWrite } = await import('hyparquet-writer');
  const writer = Object.assign(new ByteWriter(), { flush: () => nextTurn() });
  await parquetWrite({
    writer,
    columnData: [
      { name: 'id', data: events.map(({ id }) => id), type: 'STRING', nullable: false },
      { name: 'type', data: events.map(({ type }) => type), type: 'STRING', nullable: false },
      { name: 'data', data: events.map(({ data }) => data), type: 'STRING', nullable: false },
      {
        name: 'receivedAt',
        data: events.map(({ receivedAt }) => new Date(receivedAt)),
        type: 'TIMESTAMP',
        nullable: false,
      },
    ],
    rowGroupSize: GROUP_ROWS,
    createdBy: 'tidegate',
    ...codecs(compression),
  });
  return Buffer.from(writer.getBytes());
}

function codecs(compression: 'none' | 'gzip' | 'zstd') {
  switch (compression) {
    case 'none':
      return { codec: 'UNCOMPRESSED' } as const;
    case 'gzip':
      return { codec: 'GZIP', compressors: { GZIP: (bytes: Uint8Array) => zlib.gzipSync(bytes) } } as const;
    case 'zstd':
      return { codec: 'ZSTD', compressors: { ZSTD: zstdOf() } } as const;
  }
}

/** Later than the oldest Node that is served, so its types do not know it. */
function zstdOf(): Compressor {
  const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: Compressor };
  if (zstdCompressSync === undefined) throw new RangeError('Cannot compress with zstd on this Node');
  return zstdCompressSync;
}
