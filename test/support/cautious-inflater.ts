/** Lengths and distances of RFC 1951, 3.2.5: what a symbol begins at, and how many bits are added to it. */
const LENGTHS = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const DISTANCE_BITS = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK = 256;

class OutOfInput extends Error {}

/** A canonical Huffman code, by its length and value. */
type Code = ReadonlyMap<string, number>;

/**
 * What of a deflate stream an inflater hands on that waits for a sync marker (a stored block of no bytes), as Go's
 * `compress/flate` does until its window is full: all that was before the last marker. The stream may be cut anywhere.
 */
export function handedOn(deflated: Uint8Array): Buffer {
  const bits = new BitReader(deflated);
  const output: number[] = [];
  let handed = 0;
  try {
    for (let isLast = false; !isLast;) {
      isLast = bits.take(1) === 1;
      if (readBlock(bits, output) || isLast) handed = output.length;
    }
  } catch (error) {
    if (!(error instanceof OutOfInput)) throw error;
  }
  return Buffer.from(output.slice(0, handed));
}

/** Whether the block was a sync marker. */
function readBlock(bits: BitReader, output: number[]): boolean {
  const kind = bits.take(2);
  if (kind === 0) {
    bits.alignToByte();
    const length = bits.take(16);
    if (bits.take(16) !== (~length & 0xffff))
      throw new Error('The length of a stored block does not fit its complement');
    for (let at = 0; at < length; at += 1) output.push(bits.take(8));
    return length === 0;
  }
  if (kind === 3) throw new Error('There is no such kind of block');
  const [literals, distances] = kind === 1 ? fixedCodes() : readCodes(bits);
  for (let symbol = bits.symbol(literals); symbol !== END_OF_BLOCK; symbol = bits.symbol(literals)) {
    if (symbol < END_OF_BLOCK) output.push(symbol);
    else copyBack(bits, output, { symbol: symbol - END_OF_BLOCK - 1, distances });
  }
  return false;
}

function copyBack(
  bits: BitReader,
  output: number[],
  from: { readonly symbol: number; readonly distances: Code },
): void {
  const length = valueOf(LENGTHS, from.symbol) + bits.take(valueOf(LENGTH_BITS, from.symbol));
  const symbol = bits.symbol(from.distances);
  const distance = valueOf(DISTANCES, symbol) + bits.take(valueOf(DISTANCE_BITS, symbol));
  for (let count = 0; count < length; count += 1) output.push(valueOf(output, output.length - distance));
}

function fixedCodes(): readonly [Code, Code] {
  const lengths = Array.from({ length: 288 }, (_, symbol) =>
    symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
  );
  return [codeOf(lengths), codeOf(Array.from({ length: 30 }, () => 5))];
}

function readCodes(bits: BitReader): readonly [Code, Code] {
  const literalCount = bits.take(5) + 257;
  const distanceCount = bits.take(5) + 1;
  const codeLengthCount = bits.take(4) + 4;
  const codeLengths = Array.from({ length: 19 }, () => 0);
  for (const symbol of CODE_LENGTH_ORDER.slice(0, codeLengthCount)) codeLengths[symbol] = bits.take(3);
  const code = codeOf(codeLengths);
  const lengths: number[] = [];
  while (lengths.length < literalCount + distanceCount) {
    const symbol = bits.symbol(code);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) repeat(lengths, valueOf(lengths, lengths.length - 1), 3 + bits.take(2));
    else repeat(lengths, 0, symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7));
  }
  return [codeOf(lengths.slice(0, literalCount)), codeOf(lengths.slice(literalCount))];
}

function codeOf(lengths: readonly number[]): Code {
  const code = new Map<string, number>();
  let next = 0;
  for (let length = 1; length <= 15; length += 1) {
    for (const [symbol, own] of lengths.entries()) if (own === length) code.set(`${length}:${next++}`, symbol);
    next *= 2;
  }
  return code;
}

function repeat(lengths: number[], value: number, count: number): void {
  for (let at = 0; at < count; at += 1) lengths.push(value);
}

function valueOf(values: readonly number[], at: number): number {
  const value = values[at];
  if (value === undefined) throw new Error(`There is no value number ${at}`);
  return value;
}

/** Takes bits from the lowest of each byte up. */
class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(count: number): number {
    let value = 0;
    for (let bit = 0; bit < count; bit += 1) {
      const byte = this.#bytes[this.#at >>> 3];
      if (byte === undefined) throw new OutOfInput();
      value |= ((byte >>> (this.#at & 7)) & 1) << bit;
      this.#at += 1;
    }
    return value;
  }

  alignToByte(): void {
    this.#at = (this.#at + 7) & ~7;
  }

  /** Huffman codes come with their highest bit first. */
  symbol(code: Code): number {
    let value = 0;
    for (let length = 1; length <= 15; length += 1) {
      value = value * 2 + this.take(1);
      const symbol = code.get(`${length}:${value}`);
      if (symbol !== undefined) return symbol;
    }
    throw new Error('There is no such code');
  }
}
