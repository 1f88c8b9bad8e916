/** An event as it stands in the list. */
export interface EventRow {
  readonly kind: 'event';
  /** Rises with every row; one row keeps its key for life. */
  readonly key: number;
  /** When it arrived, in milliseconds since 1970. */
  readonly atMs: number;
  readonly type: string;
  readonly id: string;
  readonly data: string;
  /** Whether it came from history, before the stream was live. */
  readonly isBackfill: boolean;
}

/** Something about the stream itself, as a row of its own between the events. */
export interface NoticeRow {
  readonly kind: 'gap' | 'live' | 'end' | 'error';
  readonly key: number;
  readonly atMs: number;
  readonly title: string;
  readonly detail: string;
}

export type Row = EventRow | NoticeRow;

export interface RowLogOptions {
  /** Rows shown at most (default 200); the oldest goes first. */
  readonly rowsMax?: number;
  /** Rows kept at most, shown or not, for when the filter changes (default 1,000). */
  readonly keptMax?: number;
  /** Characters of data that the kept and the shown rows may hold each (default 16 Mi); the newest row always stays. */
  readonly charactersMax?: number;
}

/** The newest rows that match a filter; bounded in rows and in characters. */
export interface RowLog {
  add(row: Row): void;
  /** Shows only events that hold `text` in their type, id or data, whatever its case; notices always show. */
  setFilter(text: string): void;
  /** The rows to show, newest first. */
  rows(): readonly Row[];
  clear(): void;
}

export function createRowLog({
  rowsMax = 200,
  keptMax = 1000,
  charactersMax = 16 * 1024 * 1024,
}: RowLogOptions = {}): RowLog {
  const kept = new Ring(keptMax, charactersMax);
  const shown = new Ring(rowsMax, charactersMax);
  let needle = '';
  return {
    add(row) {
      kept.add(row);
      if (matches(row, needle)) shown.add(row);
    },
    setFilter(text) {
      needle = text.trim().toLowerCase();
      shown.clear();
      for (const row of kept.oldestFirst()) if (matches(row, needle)) shown.add(row);
    },
    rows: () => [...shown.oldestFirst()].toReversed(),
    clear() {
      kept.clear();
      shown.clear();
    },
  };
}

function matches(row: Row, needle: string): boolean {
  if (needle === '' || row.kind !== 'event') return true;
  return [row.type, row.id, row.data].some((text) => text.toLowerCase().includes(needle));
}

/** A fixed number of slots written round and round, so that a fast stream moves no memory. */
class Ring {
  readonly #slots: (Row | undefined)[];
  readonly #charactersMax: number;
  #oldest = 0;
  #count = 0;
  #characters = 0;

  constructor(capacity: number, charactersMax: number) {
    this.#slots = Array.from<Row | undefined>({ length: capacity });
    this.#charactersMax = charactersMax;
  }

  add(row: Row): void {
    if (this.#count === this.#slots.length) this.#dropOldest();
    this.#slots[(this.#oldest + this.#count) % this.#slots.length] = row;
    this.#count += 1;
    this.#characters += charactersOf(row);
    while (this.#characters > this.#charactersMax && this.#count > 1) this.#dropOldest();
  }

  *oldestFirst(): Generator<Row> {
    for (let index = 0; index < this.#count; index += 1) {
      const row = this.#slots[(this.#oldest + index) % this.#slots.length];
      if (row !== undefined) yield row;
    }
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#oldest = 0;
    this.#count = 0;
    this.#characters = 0;
  }

  #dropOldest(): void {
    const row = this.#slots[this.#oldest];
    if (row !== undefined) this.#characters -= charactersOf(row);
    this.#slots[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % this.#slots.length;
    this.#count -= 1;
  }
}

function charactersOf(row: Row): number {
  return row.kind === 'event' ? row.data.length : row.detail.length;
}
