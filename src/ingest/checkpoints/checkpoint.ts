import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createFolder, removeTemporaryFiles, writeFileAtomic } from '../../runtime/index.js';
import { IngestError, messageOf } from '../errors.js';
import { lockFile } from '../file-lock.js';
import type { GapRecord } from '../sources/source.js';

/** Where a pipeline goes on after a restart. */
export interface Checkpoint {
  /** Every sink has every event up to this id; empty where the source gives none. */
  readonly lastEventId: string;
  /** RFC 3339: everything received until then is in every sink. */
  readonly receivedAt: string;
  /** The last gaps of the source, oldest first, 100 at most. */
  readonly gaps: readonly GapRecord[];
  /** RFC 3339: when this was saved. */
  readonly updatedAt: string;
  /** Hashes of the last events, where a pipeline drops repeats; as {@link Dedupe} writes them. */
  readonly keys?: string;
  /** What the id is an id of, without secrets; one that an older Tidegate saved does not say. */
  readonly source?: string;
}

/** Keeps one pipeline's checkpoint. After a crash in `save`, `load` gives the old one or the new one. */
export interface CheckpointStore {
  /**
   * Keeps every other pipeline away from this checkpoint until disposed: two that save to one place would each
   * resume where the other was. A store without it leaves that to its user.
   * @throws IngestError `checkpoint-locked`, `checkpoint-unwritable`.
   */
  lock?(): Promise<AsyncDisposable | undefined>;
  /**
   * Undefined where none was ever saved.
   * @throws IngestError `checkpoint-unreadable`, `checkpoint-foreign`: never silently start over.
   */
  load(): Promise<Checkpoint | undefined>;
  /**
   * Resolves when the checkpoint is durable. Who could not lock it away from others asks here instead.
   * @throws IngestError `checkpoint-taken`: somebody else has saved since this store loaded or saved.
   */
  save(checkpoint: Checkpoint): Promise<void>;
  /** Gives up what it is connected to; the store is not used after it. */
  close?(): Promise<void>;
}

export interface FileCheckpointStoreOptions {
  /** The file; its folder is made where it is missing. */
  readonly path: string;
  /** The name of the pipeline that the file belongs to. */
  readonly pipeline: string;
}

const VERSION = 1;

/** A checkpoint in a JSON file of its own, replaced atomically. */
export function createFileCheckpointStore({ path, pipeline }: FileCheckpointStoreOptions): CheckpointStore {
  return {
    lock: () => lock(path),
    async load() {
      await removeTemporaryFiles(path);
      const text = await readIfThere(path);
      return text === undefined ? undefined : parseCheckpoint(text, { place: path, pipeline });
    },
    async save(checkpoint) {
      await createFolder(dirname(path));
      await writeFileAtomic(path, formatCheckpoint(checkpoint, { pipeline }));
    },
  };
}

async function lock(path: string): Promise<AsyncDisposable> {
  try {
    await createFolder(dirname(path));
    return await lockFile({
      path: join(dirname(path), `.${basename(path)}.lock`),
      refusal: `Cannot use checkpoint ${path}`,
      code: 'checkpoint-locked',
    });
  } catch (error) {
    if (error instanceof IngestError) throw error;
    const message = `Cannot write checkpoint ${path}: ${messageOf(error)}`;
    throw new IngestError('checkpoint-unwritable', message, { cause: error });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new IngestError('checkpoint-unreadable', `Cannot read checkpoint ${path}: ${messageOf(error)}`);
  }
}

/** A checkpoint as JSON; `more` are fields that its store alone reads. */
export function formatCheckpoint(
  checkpoint: Checkpoint,
  more: { readonly pipeline: string; readonly writer?: string },
): string {
  return `${JSON.stringify({ version: VERSION, ...more, ...checkpoint }, undefined, 2)}\n`;
}

/**
 * What {@link formatCheckpoint} made `text` of. `place` says where it was read, without secrets.
 * @throws IngestError `checkpoint-unreadable`, `checkpoint-foreign`.
 */
export function parseCheckpoint(
  text: string,
  { place, pipeline }: { readonly place: string; readonly pipeline: string },
): Checkpoint {
  const fields = parseObject(text);
  if (fields === undefined) throw unreadable(place, 'it holds no JSON object');
  if (fields['version'] !== VERSION)
    throw new IngestError(
      'checkpoint-foreign',
      `Cannot use checkpoint ${place}: it has version ${JSON.stringify(fields['version'])}, not ${VERSION}`,
    );
  if (fields['pipeline'] !== pipeline)
    throw new IngestError(
      'checkpoint-foreign',
      `Cannot use checkpoint ${place}: it belongs to pipeline ${JSON.stringify(fields['pipeline'])}, not "${pipeline}"`,
    );
  const { lastEventId, receivedAt, gaps, updatedAt, keys, source } = fields;
  if (typeof lastEventId !== 'string') throw unreadable(place, 'lastEventId is no text');
  if (!isTime(receivedAt) || !isTime(updatedAt)) throw unreadable(place, 'receivedAt or updatedAt is no time');
  if (!Array.isArray(gaps) || !gaps.every(isGap)) throw unreadable(place, 'gaps is no list of gaps');
  if (keys !== undefined && typeof keys !== 'string') throw unreadable(place, 'keys is no text');
  if (source !== undefined && typeof source !== 'string') throw unreadable(place, 'source is no text');
  return {
    lastEventId,
    receivedAt,
    gaps,
    updatedAt,
    ...(keys === undefined ? {} : { keys }),
    ...(source === undefined ? {} : { source }),
  };
}

function unreadable(place: string, fault: string): IngestError {
  return new IngestError('checkpoint-unreadable', `Cannot read checkpoint ${place}: ${fault}`);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isGap(value: unknown): value is GapRecord {
  if (!isObject(value)) return false;
  const isKnown = value['kind'] === 'downtime' || value['kind'] === 'upstream';
  return isKnown && ['from', 'to', 'reason'].every((key) => typeof value[key] === 'string');
}
