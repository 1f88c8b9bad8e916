/** Where a frame lies and what it is, beside its bytes. */
export interface FrameMark {
  readonly offset: number;
  /** When it was published, in milliseconds since 1970. */
  readonly timeMs: number;
  /** Where the frame's fields begin, behind its `id:` line. */
  readonly bodyStart: number;
  /** Where they end, before the cursor block that follows a publisher's own id. */
  readonly bodyEnd: number;
}

/** One frame of a history; `bytes` is a view of its segment. */
export interface Frame extends FrameMark {
  readonly bytes: Buffer;
}

/** Numbers kept per frame behind the first, side by side in one array: an object each would cost more than small events do. */
const STRIDE = 5;
const TIME = 1;
const START = 2;
const BODY_START = 3;
const BODY_END = 4;

const CAPACITY_MAX = 64 * 1024;

/** Times are kept from here on: V8 has room for such a number in the object itself, for the first 24 days. */
const EARLIEST_MS = Date.now();

/** A run of frames, back to back in one buffer, so that any run of them is one slice. */
export class Segment {
  /** Small ones share Node's pool. A place in it costs less than the view of it that is made when it is read. */
  readonly #memory: ArrayBufferLike;
  readonly #base: number;
  readonly #capacity: number;
  #used = 0;
  /** The first frame, apart: most channels hold no other, and an array for one costs more than these. */
  #offset = 0;
  #sinceEarliestMs = 0;
  #bodyStart = 0;
  #bodyEnd = 0;
  /** All frames but the first. */
  #later: number[] | undefined;

  constructor(capacity: number) {
    const { buffer, byteOffset } = Buffer.allocUnsafe(capacity);
    this.#memory = buffer;
    this.#base = byteOffset;
    this.#capacity = capacity;
  }

  /** A segment for `frameBytes` after `previous`: exact for a channel's first event, then doubling to 64 KiB. */
  static after(previous: Segment | undefined, frameBytes: number): Segment {
    const wanted = previous === undefined ? 0 : Math.min(previous.#capacity * 2, CAPACITY_MAX);
    return new Segment(Math.max(frameBytes, wanted));
  }

  get frameCount(): number {
    if (this.#used === 0) return 0;
    return this.#later === undefined ? 1 : 1 + this.#later.length / STRIDE;
  }

  get lastOffset(): number {
    return this.offsetAt(this.frameCount - 1);
  }

  get lastTimeMs(): number {
    return this.timeAt(this.frameCount - 1);
  }

  /** False where it does not fit, and nothing is done. */
  append(frame: Uint8Array, mark: FrameMark): boolean {
    if (this.#used + frame.length > this.#capacity) return false;
    new Uint8Array(this.#memory, this.#base + this.#used, frame.length).set(frame);
    if (this.#used === 0) this.#markFirst(mark);
    else {
      this.#later ??= [];
      this.#later.push(mark.offset, mark.timeMs - EARLIEST_MS, this.#used, mark.bodyStart, mark.bodyEnd);
    }
    this.#used += frame.length;
    return true;
  }

  offsetAt(frame: number): number {
    return frame === 0 ? this.#offset : this.#laterAt(frame, 0);
  }

  timeAt(frame: number): number {
    return EARLIEST_MS + (frame === 0 ? this.#sinceEarliestMs : this.#laterAt(frame, TIME));
  }

  /** Where frame number `frame` begins; the end of the bytes for the one after the last. */
  startAt(frame: number): number {
    return frame === 0 ? 0 : (this.#later?.[(frame - 1) * STRIDE + START] ?? this.#used);
  }

  frameAt(frame: number): Frame {
    return {
      offset: this.offsetAt(frame),
      timeMs: this.timeAt(frame),
      bodyStart: frame === 0 ? this.#bodyStart : this.#laterAt(frame, BODY_START),
      bodyEnd: frame === 0 ? this.#bodyEnd : this.#laterAt(frame, BODY_END),
      bytes: this.slice(frame, frame + 1),
    };
  }

  /** The bytes of frames `from` up to and without `to`. */
  slice(from: number, to: number): Buffer {
    const start = this.startAt(from);
    return Buffer.from(this.#memory, this.#base + start, this.startAt(to) - start);
  }

  /** The number of the frame behind as many whole ones, beginning with `from`, as `bytesMax` holds. */
  frameAfterBytes(from: number, bytesMax: number): number {
    const limit = this.startAt(from) + bytesMax;
    return this.search(from, (frame) => this.startAt(frame + 1) > limit);
  }

  /** The number of the first frame for which `isAfter` holds; frames before it must all be refused. */
  search(from: number, isAfter: (frame: number) => boolean): number {
    let low = from;
    let high = this.frameCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #markFirst({ offset, timeMs, bodyStart, bodyEnd }: FrameMark): void {
    this.#offset = offset;
    this.#sinceEarliestMs = timeMs - EARLIEST_MS;
    this.#bodyStart = bodyStart;
    this.#bodyEnd = bodyEnd;
  }

  #laterAt(frame: number, what: number): number {
    return this.#later?.[(frame - 1) * STRIDE + what] ?? 0;
  }
}
