/** The CRC of gzip (RFC 1952, 8), its bits reflected. `zlib.crc32` is not in every Node that Tidegate runs on. */
const POLYNOMIAL = 0xed_b8_83_20;
/** The polynomial 1, as reflected bits write it. */
const ONE = 0x80_00_00_00;
/** Bytes to bits: the powers of x below begin at x^(2^0), and a byte is x^(2^3). */
const BYTE_POWER = 3;
/** Half bytes of a CRC, and how many values each can have. */
const HALVES = 8;
const HALF_VALUES = 16;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = timesX(crc);
  return crc;
});

/** x^(2^n) for n from 0 to 31. */
const POWERS = powersOfX();

/** The CRC of what `crc` stands for (default: nothing) with `bytes` behind it. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  let rest = ~crc;
  for (let at = 0; at < bytes.length; at += 1) {
    rest = (TABLE[(rest ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (rest >>> 8);
  }
  return ~rest >>> 0;
}

/**
 * What {@link combineCrc32} needs to know of `byteCount` bytes, worked out once for all who append as many: for
 * each of the eight half bytes of a CRC, what becomes of its sixteen values.
 */
export function crc32Shift(byteCount: number): Uint32Array {
  let shift = ONE;
  let power = BYTE_POWER;
  for (let rest = byteCount; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(POWERS[power % POWERS.length] ?? 0, shift);
    power += 1;
  }
  const table = new Uint32Array(HALVES * HALF_VALUES);
  // The highest bit stands for 1, each below it for x times the one before.
  for (let bit = 31; bit >= 0; bit -= 1) {
    const at = (bit >>> 2) * HALF_VALUES;
    const value = 1 << (bit & 3);
    for (let other = value; other < HALF_VALUES; other += 1) {
      if ((other & value) !== 0) table[at + other] = (table[at + other] ?? 0) ^ shift;
    }
    shift = timesX(shift);
  }
  return table;
}

/** The CRC of two runs of bytes from theirs; `shift` is `crc32Shift` of the second one's length. No byte is read. */
export function combineCrc32(first: number, second: number, shift: Uint32Array): number {
  let combined = second;
  for (let half = 0; half < HALVES; half += 1) {
    combined ^= shift[half * HALF_VALUES + ((first >>> (half * 4)) & 15)] ?? 0;
  }
  return combined >>> 0;
}

/** The product of two polynomials, modulo the CRC's. */
function multiply(left: number, right: number): number {
  let product = 0;
  let factor = right;
  for (let mask = left | 0; mask !== 0; mask <<= 1) {
    if (mask < 0) product ^= factor;
    factor = timesX(factor);
  }
  return product >>> 0;
}

function timesX(polynomial: number): number {
  return (polynomial & 1) === 1 ? (polynomial >>> 1) ^ POLYNOMIAL : polynomial >>> 1;
}

function powersOfX(): Uint32Array {
  const powers = new Uint32Array(32);
  let power = timesX(ONE);
  for (let at = 0; at < powers.length; at += 1) {
    powers[at] = power;
    power = multiply(power, power);
  }
  return powers;
}
