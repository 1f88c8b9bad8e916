import { createEventParser } from '../../protocol/index.js';

/** One block of an SSE body, ended by its blank line: an event, a comment or an id alone. */
export interface Block {
  readonly bytes: Uint8Array;
  /** The id that the block itself sets; absent where it sets none. */
  readonly id?: string;
  /** Whether it dispatches an event; comments are played too, but do not count. */
  readonly isEvent: boolean;
  /** Milliseconds after the recording began; absent where there is no timing. */
  readonly atMs?: number;
}

/** A block of these bytes, read by the one parser there is. */
export function toBlock(bytes: Uint8Array, atMs?: number): Block {
  let isEvent = false;
  const parser = createEventParser({ onEvent: () => (isEvent = true), maxEventBytes: Number.MAX_SAFE_INTEGER });
  parser.push(bytes);
  const id = parser.lastEventId;
  return { bytes, isEvent, ...(id === '' ? {} : { id }), ...(atMs === undefined ? {} : { atMs }) };
}

/** Bytes of a body and when they came. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly atMs?: number;
}

const LF = 10;
const CR = 13;
const BOM = Uint8Array.of(0xef, 0xbb, 0xbf);

/**
 * Cuts a body at its blank lines; a block's time is that of the chunk that completed it. A leading
 * BOM goes, since a resumed reader starts elsewhere, and so does a block that nothing ends.
 */
export function splitBlocks(chunks: readonly Chunk[]): readonly Block[] {
  const body = Buffer.concat(chunks.map((chunk) => chunk.bytes));
  const timeOf = createTimeline(chunks);
  const blocks: Block[] = [];
  let start = body.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
  let lineStart = start;
  let at = start;
  while (at < body.length) {
    const byte = body[at];
    at += 1;
    if (byte !== LF && byte !== CR) continue;
    const isBlank = at - 1 === lineStart;
    if (byte === CR && body[at] === LF) at += 1;
    lineStart = at;
    if (!isBlank) continue;
    blocks.push(toBlock(body.subarray(start, at), timeOf(at)));
    start = at;
  }
  return blocks;
}

/** The time of the chunk that holds the byte before `end`; ends must be asked for in rising order. */
function createTimeline(chunks: readonly Chunk[]): (end: number) => number | undefined {
  let index = 0;
  let chunkEnd = chunks[0]?.bytes.length ?? 0;
  return (end) => {
    while (chunkEnd < end && index < chunks.length - 1) {
      index += 1;
      chunkEnd += chunks[index]?.bytes.length ?? 0;
    }
    return chunks[index]?.atMs;
  };
}
