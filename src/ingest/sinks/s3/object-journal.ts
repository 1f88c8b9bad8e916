import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createFile, createFolder, removeTemporaryFiles, writeFileAtomic } from '../../../runtime/index.js';
import { IngestError, messageOf } from '../../errors.js';
import { lockFile } from '../../file-lock.js';
import type { FileLock } from '../../file-lock.js';
import { FINGERPRINT_CHARACTERS } from './fingerprint.js';

/** An object as it was decided upon, before anything of it was sent. */
export interface PlannedObject {
  /** Its place in the chain; the first object has 1. */
  readonly number: number;
  readonly key: string;
  /** Milliseconds since 1970: when its first event arrived. */
  readonly arrivedAt: number;
  readonly firstId: string;
  readonly lastId: string;
  /** The last id of the object before it; empty for the first. */
  readonly after: string;
  /** {@link ContentNames} of its events. */
  readonly fingerprints: string;
  readonly digest: string;
}

/** A planned object, and whether it and its manifest are known to be there. */
export interface JournalEntry {
  readonly object: PlannedObject;
  readonly isDone: boolean;
}

export interface ObjectJournalOptions {
  readonly path: string;
  /** Where objects go: a journal about another place is begun anew. */
  readonly target: string;
  /** Done objects are remembered until those after them hold so many events. */
  readonly keepEvents: number;
}

/** A line of the journal. */
type Line =
  | { readonly kind: 'head'; readonly version: 1; readonly chain: string; readonly target: string }
  | { readonly kind: 'last'; readonly number: number; readonly lastId: string }
  | { readonly kind: 'planned'; readonly object: PlannedObject }
  | { readonly kind: 'done' | 'dropped'; readonly number: number };

/** The file is written anew when it is this much longer than what it says. */
const REWRITE_LINES_MIN = 200;

export function eventCountOf({ fingerprints }: Pick<PlannedObject, 'fingerprints'>): number {
  return fingerprints.length / FINGERPRINT_CHARACTERS;
}

/**
 * What was going to be written where, on the disk before the first byte of it is sent: so a restart knows the
 * key and the end of the object that was under way, and which events are in objects already.
 */
export class ObjectJournal implements AsyncDisposable {
  readonly #options: ObjectJournalOptions;
  readonly #lock: FileLock | undefined;
  #chain: string = randomUUID();
  #lastNumber = 0;
  #lastId = '';
  #entries: readonly JournalEntry[] = [];
  #file: FileHandle | undefined;
  #lines = 0;
  /** A write failed, and may have left a part of a line. */
  #isTorn = false;

  private constructor(options: ObjectJournalOptions, lock: FileLock | undefined) {
    this.#options = options;
    this.#lock = lock;
  }

  /** @throws IngestError `archive-locked`, `archive-unwritable`, `journal-unreadable`. */
  static async open(options: ObjectJournalOptions): Promise<ObjectJournal> {
    const { path } = options;
    let lock: FileLock | undefined;
    try {
      await createFolder(dirname(path));
      lock = await lockFile({
        path: `${path}.lock`,
        refusal: 'Cannot write to the archive',
        code: 'archive-locked',
      });
      await removeTemporaryFiles(path);
      const journal = new ObjectJournal(options, lock);
      journal.#read(await readLines(path));
      await journal.#rewrite();
      return journal;
    } catch (error) {
      await lock?.release();
      if (error instanceof IngestError) throw error;
      const message = `Cannot keep the journal ${path}: ${messageOf(error)}`;
      throw new IngestError('archive-unwritable', message, { cause: error });
    }
  }

  /** Names the unbroken run of objects that this journal tells of. */
  get chain(): string {
    return this.#chain;
  }

  /** The last objects, oldest first; only the last of them may not be done. */
  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** The number of the next object, and the id after which it begins. */
  get next(): { readonly number: number; readonly after: string } {
    return { number: this.#lastNumber + 1, after: this.#lastId };
  }

  /** `object` is going to be written; a planned one that is not done is dropped for it. */
  async plan(object: PlannedObject): Promise<void> {
    await this.#append({ kind: 'planned', object });
  }

  /** The object with this number and its manifest are there. */
  async markDone(number: number): Promise<void> {
    await this.#append({ kind: 'done', number });
    if (this.#lines > 3 * this.#entries.length + REWRITE_LINES_MIN) await this.#rewrite();
  }

  /** The planned object is not there and will not be written. */
  async drop(number: number): Promise<void> {
    await this.#append({ kind: 'dropped', number });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await this.#lock?.release();
  }

  #read(lines: readonly Line[]): void {
    const [head] = lines;
    if (head?.kind !== 'head' || head.target !== this.#options.target) return;
    this.#chain = head.chain;
    for (const line of lines.slice(1)) this.#apply(line);
  }

  #apply(line: Line): void {
    switch (line.kind) {
      case 'head':
        return;
      case 'last':
        this.#lastNumber = line.number;
        this.#lastId = line.lastId;
        return;
      case 'planned':
        this.#entries = [...this.#entries.filter(({ isDone }) => isDone), { object: line.object, isDone: false }];
        return;
      case 'dropped':
        this.#entries = this.#entries.filter(({ object, isDone }) => isDone || object.number !== line.number);
        return;
      case 'done': {
        const done = this.#entries.map(({ object, isDone }) => ({
          object,
          isDone: isDone || object.number === line.number,
        }));
        this.#lastNumber = line.number;
        this.#lastId = done.at(-1)?.object.lastId ?? this.#lastId;
        this.#entries = keepLast(done, this.#options.keepEvents);
      }
    }
  }

  /** The file first: what this process believes must not be more than what a restart will. */
  async #append(line: Line): Promise<void> {
    if (this.#file === undefined) throw new IngestError('internal', 'Cannot write: the journal is closed');
    if (this.#isTorn) await this.#rewrite();
    this.#isTorn = true;
    await this.#file.appendFile(`${JSON.stringify(line)}\n`);
    await this.#file.datasync();
    this.#isTorn = false;
    this.#apply(line);
    this.#lines += 1;
  }

  async #rewrite(): Promise<void> {
    const { path, target } = this.#options;
    const lines: readonly Line[] = [
      { kind: 'head', version: 1, chain: this.#chain, target },
      { kind: 'last', number: this.#lastNumber, lastId: this.#lastId },
      ...this.#entries.flatMap(({ object, isDone }): readonly Line[] => [
        { kind: 'planned', object },
        ...(isDone ? [{ kind: 'done', number: object.number } as const] : []),
      ]),
    ];
    await writeFileAtomic(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    await this.#file?.close();
    this.#file = await createFile(path, 'a');
    this.#lines = lines.length;
    this.#isTorn = false;
  }
}

/** Without the oldest done entries that the newer ones make superfluous. */
function keepLast(entries: readonly JournalEntry[], keepEvents: number): readonly JournalEntry[] {
  let events = 0;
  const first = entries.findLastIndex(({ object }) => {
    const isEnough = events >= keepEvents;
    events += eventCountOf(object);
    return isEnough;
  });
  return entries.slice(first + 1);
}

/** The lines up to the first that a crash left torn. */
async function readLines(path: string): Promise<readonly Line[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  const lines: Line[] = [];
  // What follows the last line feed was not finished, so nothing was done because of it.
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      lines.push(JSON.parse(line) as Line);
    } catch {
      throw new IngestError(
        'journal-unreadable',
        `Cannot read the journal ${path}: line ${lines.length + 1} is no JSON; move the file away to begin a new chain`,
      );
    }
  }
  return lines;
}
