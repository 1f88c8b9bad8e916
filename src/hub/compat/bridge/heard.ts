/**
 * A place in what Redis tells everybody who listens to it: how many messages came after which marker. Whoever heard the
 * marker, and was not cut off since, gives each message the same place; markers rise.
 */
export interface Mark {
  readonly term: number;
  readonly index: number;
}

/** What came on one Redis channel. */
export interface HeardMessage {
  readonly channel: Buffer;
  readonly payload: Buffer;
  /** Bytes that it had; more than `payload` has where it was too large to keep. */
  readonly bytes: number;
}

/** A message or a marker at its place. */
export interface Heard {
  readonly mark: Mark;
  /** The place before; undefined where nobody here knows what was between. */
  readonly previous: Mark | undefined;
  /** Undefined: a marker. */
  readonly message: HeardMessage | undefined;
}

export interface HeardLimits {
  /** Messages that are kept; then the oldest goes. */
  readonly messages: number;
  /** Bytes that are kept; then the oldest goes. */
  readonly bytes: number;
}

/** Bytes that each place takes beside its message, about. */
const PLACE_BYTES = 200;
/** Places in front that may be empty before the list is made anew. */
const EMPTY_MAX = 1024;

/** The last messages that were heard, each at its place, until they are known to be published. */
export class HeardLog {
  readonly #limits: HeardLimits;
  #places: (Heard | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  /** Undefined from a cut to the next marker: what comes then has no place here. */
  #at: Mark | undefined;

  constructor(limits: HeardLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#places.length - this.#first;
  }

  /** Whether messages get a place. */
  get isCounting(): boolean {
    return this.#at !== undefined;
  }

  /** A marker came: all who hear it count from here. */
  begin(term: number): void {
    // A Redis that fell back behind what it had said: old places mean nothing any more.
    if (term <= (this.#at?.term ?? this.#places.at(-1)?.mark.term ?? 0)) this.#forget();
    this.#append({ term, index: 0 }, undefined);
  }

  hear(message: HeardMessage): void {
    if (this.#at !== undefined) this.#append({ term: this.#at.term, index: this.#at.index + 1 }, message);
  }

  /** From here on messages were missed. */
  cut(): void {
    this.#at = undefined;
  }

  /** Lets go of what is published: everything up to `mark`. */
  trim(mark: Mark): void {
    for (let first = this.#peek(); first !== undefined && !isBehind(first.mark, mark); first = this.#peek())
      this.#drop();
  }

  /** Whether what comes next after `mark` is not known here, although something later is. */
  hasHole(mark: Mark | undefined): boolean {
    const first = this.#peek();
    return first !== undefined && mark !== undefined && !isSame(first.previous, mark);
  }

  /** What was heard next, `count` places at most, without a hole between them. */
  next(count: number): readonly Heard[] {
    const run: Heard[] = [];
    for (let at = this.#first; at < this.#places.length && run.length < count; at += 1) {
      const heard = this.#places[at];
      const before = run.at(-1);
      if (heard === undefined || (before !== undefined && !isSame(heard.previous, before.mark))) break;
      run.push(heard);
    }
    return run;
  }

  #append(mark: Mark, message: HeardMessage | undefined): void {
    this.#places.push({ mark, previous: this.#at, message });
    this.#at = mark;
    this.#bytes += bytesOf(message);
    while (this.length > this.#limits.messages || (this.#bytes > this.#limits.bytes && this.length > 1)) this.#drop();
  }

  #peek(): Heard | undefined {
    return this.#places[this.#first];
  }

  #drop(): void {
    this.#bytes -= bytesOf(this.#peek()?.message);
    this.#places[this.#first] = undefined;
    this.#first += 1;
    if (this.#first < EMPTY_MAX || this.#first * 2 < this.#places.length) return;
    this.#places = this.#places.slice(this.#first);
    this.#first = 0;
  }

  #forget(): void {
    this.#places = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#at = undefined;
  }
}

/** Whether `mark` comes after `other`. */
export function isBehind(mark: Mark, other: Mark): boolean {
  return mark.term === other.term ? mark.index > other.index : mark.term > other.term;
}

function isSame(one: Mark | undefined, other: Mark): boolean {
  return one?.term === other.term && one.index === other.index;
}

function bytesOf(message: HeardMessage | undefined): number {
  return PLACE_BYTES + (message === undefined ? 0 : message.channel.length + message.payload.length);
}
