import { FLUSH_BYTES_MAX } from './limits.js';

/** A flush is as long as this before it ends early. */
const CUT_FROM_BYTES = FLUSH_BYTES_MAX / 2;
/** Then one place to end at lies in so many bytes on average: hardly any flush grows to its limit without one. */
const BYTES_PER_CUT = FLUSH_BYTES_MAX / 8;

/**
 * Whether a flush of `flushBytes` ends behind the frame at `offset`, though more might fit. That depends on the frame
 * far more than on where the flush began, so that readers that begin at different places soon end their flushes at the
 * same ones, and are sent the same bytes.
 */
export function isStableCut(offset: number, frameBytes: number, flushBytes: number): boolean {
  if (flushBytes < CUT_FROM_BYTES) return false;
  return hashOf(offset) < (frameBytes / BYTES_PER_CUT) * 2 ** 32;
}

/** Below 2^32; as if drawn by lot, or two readers could keep the same distance for ever. */
function hashOf(offset: number): number {
  let hash = offset | 0;
  for (const factor of [0x85_eb_ca_6b, 0xc2_b2_ae_35]) hash = Math.imul(hash ^ (hash >>> 15), factor);
  return (hash ^ (hash >>> 16)) >>> 0;
}
