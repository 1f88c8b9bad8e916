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

/** Numbers kept per frame, side by side in one array: an object each would cost more than small events do. */
const STRIDE = 5;
const TIME = 1;
const START = 2;
const BODY_START = 3;
const BODY_END = 4;

const CAPACITY_MAX = 64 * 1024;

/** A run of frames, back to back in one buffer, so that any run of them is one slice. */
export class Segment {
  /** Small ones share Node's pool. A place in it costs less than the view of it that is made when it is read. */
  readonly #memory: ArrayBufferLike;
  readonly #base: number;
  readonly #capacity: number;
  /** Undefined before the first frame: an array that is made with its content has no room to spare. */
  #marks: number[] | undefined;
  #used = 0;

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
    return this.#marks === undefined ? 0 : this.#marks.length / STRIDE;
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
    if (this.#marks === undefined) this.#marks = [mark.offset, mark.timeMs, this.#used, mark.bodyStart, mark.bodyEnd];
    else this.#marks.push(mark.offset, mark.timeMs, this.#used, mark.bodyStart, mark.bodyEnd);
    this.#used += frame.length;
    return true;
  }

  offsetAt(frame: number): number {
    return this.#marks?.[frame * STRIDE] ?? 0;
  }

  timeAt(frame: number): number {
    return this.#marks?.[frame * STRIDE + TIME] ?? 0;
  }

  /** Where frame number `frame` begins; the end of the bytes for the one after the last. */
  startAt(frame: number): number {
    return this.#marks?.[frame * STRIDE + START] ?? this.#used;
  }

  frameAt(frame: number): Frame {
    const at = frame * STRIDE;
    return {
      offset: this.offsetAt(frame),
      timeMs: this.timeAt(frame),
      bodyStart: this.#marks?.[at + BODY_START] ?? 0,
      bodyEnd: this.#marks?.[at + BODY_END] ?? 0,
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
}
