import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { removeTemporaryFiles, writeFileAtomic } from '../../runtime/index.js';
import { IngestError, messageOf } from '../errors.js';

/** By a sink's name: the last event that it has acknowledged. */
export type Cursors = Readonly<Record<string, number>>;

export interface CursorFileOptions {
  readonly path: string;
  /** Whose spool it is. */
  readonly pipeline: string;
  /** Milliseconds between two saves, at least. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What to save, asked for at each save. */
  readonly cursors: () => Cursors;
}

const VERSION = 1;

/**
 * Where each sink is in the spool, saved now and then: after a crash a sink gets again what it acknowledged since.
 */
export class CursorFile {
  readonly #options: CursorFileOptions;
  #cancel: (() => void) | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: CursorFileOptions) {
    this.#options = options;
  }

  /** A sink has acknowledged something: it is saved within the interval. */
  markDirty(): void {
    this.#cancel ??= this.#options.clock.after(this.#options.intervalMs, () => {
      this.#cancel = undefined;
      void this.save();
    });
  }

  /** Never rejects: what could not be saved means repeats, not losses. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async close(): Promise<void> {
    await this.save();
    this.#cancel?.();
  }

  async #save(): Promise<void> {
    const { path, pipeline, cursors, logger } = this.#options;
    try {
      await writeFileAtomic(path, `${JSON.stringify({ version: VERSION, pipeline, sinks: cursors() })}\n`);
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'Cannot save where the sinks are in the spool');
      this.markDirty();
    }
  }
}

/**
 * What {@link CursorFile} saved last; empty where there is none.
 * @throws IngestError `spool-unreadable`.
 */
export async function loadCursors({ path, pipeline }: Pick<CursorFileOptions, 'path' | 'pipeline'>): Promise<Cursors> {
  await removeTemporaryFiles(path);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return {};
  const saved = parse(text);
  if (saved?.version !== VERSION || saved.sinks === undefined)
    throw new IngestError('spool-unreadable', `Cannot read ${path}: it is no file of a spool, or of a newer Tidegate`);
  if (saved.pipeline !== pipeline)
    throw new IngestError(
      'spool-unreadable',
      `Cannot use ${path}: it belongs to pipeline ${JSON.stringify(saved.pipeline)}, not "${pipeline}"`,
    );
  return Object.fromEntries(Object.entries(saved.sinks).filter(([, through]) => Number.isSafeInteger(through)));
}

interface Saved {
  readonly version?: number;
  readonly pipeline?: string;
  readonly sinks?: Readonly<Record<string, number>>;
}

function parse(text: string): Saved | undefined {
  try {
    return JSON.parse(text) as Saved;
  } catch {
    return undefined;
  }
}
