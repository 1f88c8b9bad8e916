/** Milliseconds for which compressed history waits for its next reader. */
const UNUSED_MS_MAX = 60_000;

/** What one costs beside its bytes: its checksum's table above all. */
const OVERHEAD_BYTES = 1024;

/** Deflate blocks that end on a byte, with a sync marker, and refer to nothing before them: they fit into any gzip stream. */
export interface PackedPart {
  readonly bytes: Uint8Array;
  /** CRC of the plain bytes. */
  readonly crc: number;
  /** Of the plain bytes' length, see {@link import('./crc32.js').crc32Shift}. */
  readonly shift: Uint32Array;
}

/** By a segment, which may be forgotten for its pack, or by a digest of the plain bytes. */
export type PackKey = object | string;

interface Kept {
  readonly digest: string | undefined;
  /** Undefined once it is let go of, though its segment may live on. */
  pack: PackedPart | undefined;
  readonly costBytes: number;
  usedAtMs: number;
}

interface KeptPacksOptions {
  readonly nowMs: () => number;
  /** Bytes that packs may take now, those that are kept included; over it no more are kept. */
  readonly roomBytes: () => number;
}

/**
 * Compressed parts of the history, kept for its next readers. They count as history, in the room that it leaves: when it
 * needs the room they go first, the longest unused before the others, and what nobody reads for a minute goes too.
 */
export class KeptPacks {
  readonly #options: KeptPacksOptions;
  readonly #bySegment = new WeakMap<object, Kept>();
  readonly #byDigest = new Map<string, Kept>();
  /** In the order of their last use. */
  readonly #kept = new Set<Kept>();
  #bytes = 0;

  constructor(options: KeptPacksOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(key: PackKey): PackedPart | undefined {
    const kept = typeof key === 'string' ? this.#byDigest.get(key) : this.#bySegment.get(key);
    if (kept?.pack === undefined) return undefined;
    kept.usedAtMs = this.#options.nowMs();
    this.#kept.delete(kept);
    this.#kept.add(kept);
    return kept.pack;
  }

  /** Keeps a pack that is not kept yet, if there is room. */
  keep(key: PackKey, pack: PackedPart): void {
    const costBytes = pack.bytes.length + OVERHEAD_BYTES;
    if (this.#bytes + costBytes > this.#options.roomBytes()) return;
    const digest = typeof key === 'string' ? key : undefined;
    const kept: Kept = { digest, pack, costBytes, usedAtMs: this.#options.nowMs() };
    if (typeof key === 'string') this.#byDigest.set(key, kept);
    else this.#bySegment.set(key, kept);
    this.#kept.add(kept);
    this.#bytes += costBytes;
  }

  /** Lets go of what nobody has read for long. */
  forgetUnused(): void {
    const usedFromMs = this.#options.nowMs() - UNUSED_MS_MAX;
    for (const kept of this.#kept) {
      if (kept.usedAtMs >= usedFromMs) return;
      this.#forget(kept);
    }
  }

  /** Lets go of the longest unused until the rest takes at most `bytesMax`. */
  shrinkTo(bytesMax: number): void {
    for (const kept of this.#kept) {
      if (this.#bytes <= bytesMax) return;
      this.#forget(kept);
    }
  }

  #forget(kept: Kept): void {
    this.#kept.delete(kept);
    if (kept.digest !== undefined) this.#byDigest.delete(kept.digest);
    this.#bytes -= kept.costBytes;
    kept.pack = undefined;
  }
}
