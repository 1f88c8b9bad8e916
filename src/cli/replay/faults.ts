import { createSeededRandom } from '../../base/index.js';

/** What a replay can get wrong on purpose. */
export type Fault = 'cut' | '503' | 'stall' | 'duplicate';

export interface FaultOptions {
  readonly kinds: readonly Fault[];
  /** How likely each kind is, per event or connection: 0 to 1. */
  readonly rate: number;
  readonly seed: number;
}

/** What goes wrong on one connection. */
export interface ConnectionFaults {
  /** Asked once: a refusal, with the seconds of its Retry-After where it has one. */
  onConnect(): { readonly retryAfterSeconds?: number } | undefined;
  /** Asked for each event of `bytes` bytes. */
  onEvent(bytes: number): EventFault | undefined;
}

type EventFault =
  /** The connection is cut after so many bytes of the event: at least one, never all. */
  { readonly kind: 'cut'; readonly afterBytes: number } | { readonly kind: 'stall' } | { readonly kind: 'duplicate' };

/**
 * The faults of the nth connection (from 0). Each connection has a random sequence of its own, so
 * the same seed does the same to the nth connection however many there are at once.
 */
export function faultsOf(connection: number, { kinds, rate, seed }: FaultOptions): ConnectionFaults {
  const random = createSeededRandom(seed + Math.imul(connection, 0x9e3779b1));
  const happens = (kind: Fault): boolean => kinds.includes(kind) && random() < rate;
  return {
    onConnect() {
      if (!happens('503')) return undefined;
      return random() < 0.5 ? {} : { retryAfterSeconds: 1 };
    },
    onEvent(bytes) {
      if (happens('cut')) return { kind: 'cut', afterBytes: 1 + Math.floor(random() * Math.max(bytes - 2, 0)) };
      if (happens('stall')) return { kind: 'stall' };
      return happens('duplicate') ? { kind: 'duplicate' } : undefined;
    },
  };
}
