/** Unlike in every process, so that nobody can prepare texts with one hash. */
const SEED = crypto.getRandomValues(new Uint32Array(2));
const LOW_PRIME = 0x85ebca6b;
const HIGH_PRIME = 0xc2b2ae35;
const HIGH_BITS = 0x1fffff;

/** A hash of 53 bits, a whole number; good within one process only. */
export function hashText(text: string): number {
  let low = SEED[0] ?? 0;
  let high = SEED[1] ?? 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, LOW_PRIME);
    low = (low << 13) | (low >>> 19);
    high = Math.imul(high ^ unit, HIGH_PRIME);
    high = (high << 15) | (high >>> 17);
  }
  low = scramble(low ^ text.length);
  high = scramble(high ^ low);
  return (high & HIGH_BITS) * 2 ** 32 + (low >>> 0);
}

function scramble(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), LOW_PRIME);
  mixed = Math.imul(mixed ^ (mixed >>> 13), HIGH_PRIME);
  return mixed ^ (mixed >>> 16);
}
