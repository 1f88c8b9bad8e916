import { systemClock } from '../../../base/index.js';
import type { Clock } from '../../../base/index.js';
import type { Logger } from '../../../runtime/index.js';
import { IngestError } from '../../errors.js';
import type { SpooledEvent } from '../../spool/spool.js';
import type { BatchLimits, Sink, SinkContext, WriteResult } from '../sink.js';
import { createAwsStore } from './aws-store.js';
import type { AwsStoreOptions } from './aws-store.js';
import { parsePrefix } from './key-expressions.js';
import type { KeyPrefix } from './key-expressions.js';
import { checkCompression, extensionOf } from './object-encoder.js';
import type { Compression, Encoding, ObjectFormat } from './object-encoder.js';
import { eventCountOf, ObjectJournal } from './object-journal.js';
import type { PlannedObject } from './object-journal.js';
import type { ObjectStore } from './object-store.js';
import { ObjectWriter } from './object-writer.js';
import { Replay } from './replay.js';

export interface S3SinkOptions extends AwsStoreOptions {
  /** Unique in its pipeline (default `s3`). */
  readonly name?: string;
  /** How keys begin, with Firehose's expressions (default `sse-data`). */
  readonly prefix?: string;
  /** The key of a manifest is this, the key of its data, and `.json` (default `sse-manifest/`). */
  readonly manifestPrefix?: string;
  /** The file that holds what is going to be written where; its folder is made. */
  readonly journal: string;
  /** Events whose objects the journal remembers (default 200,000): no fewer than the spool holds. */
  readonly journalEvents?: number;
  /** Default `ndjson`. */
  readonly format?: ObjectFormat;
  /** Default `gzip`; of a Parquet file its pages. `zstd` needs Node 22.15 or newer. */
  readonly compression?: Compression;
  /** An object is written when so many bytes wait, uncompressed (default 16 MiB); half the spool at most. */
  readonly rotateBytes?: number;
  /** An object is written when its first event has waited so many milliseconds (default 60,000). */
  readonly rotateMs?: number;
  readonly clock?: Clock;
  /** Where objects are kept instead of S3. */
  readonly store?: ObjectStore;
}

const PREFIX = 'sse-data';
const MANIFEST_PREFIX = 'sse-manifest/';
const ROTATE_BYTES = 16 * 1024 * 1024;
const ROTATE_MS = 60_000;
/** Events of one object, at most. */
const EVENTS_MAX = 100_000;
const JOURNAL_EVENTS = 200_000;
/** Milliseconds for a look at the bucket, at the start. */
const CHECK_MS = 15_000;

/**
 * Writes objects to S3, each once: its key and what is in it are on the disk before it is sent, it is created
 * only where the key is free, and one that is there with our events counts as written. Events are acknowledged
 * when the object and its manifest are there. Whatever fails is tried again for ever.
 * @throws IngestError `invalid-option`; its `open` throws `package-missing`, `archive-locked`,
 * `archive-unwritable`, `journal-unreadable`, `bucket-missing`, `access-refused` where there are no credentials.
 */
export function createS3Sink(options: S3SinkOptions): Sink {
  return new S3Sink(options);
}

/** What is there while the sink is open. */
interface Opened {
  readonly store: ObjectStore;
  readonly journal: ObjectJournal;
  readonly writer: ObjectWriter;
  readonly logger: Logger;
}

class S3Sink implements Sink {
  readonly name: string;
  readonly batch: BatchLimits;
  readonly #options: S3SinkOptions;
  readonly #prefix: KeyPrefix;
  readonly #manifestPrefix: string;
  readonly #encoding: Encoding;
  #opened: Opened | undefined;
  #replay = new Replay([]);
  #isRecovered = false;
  /** What a failed write left to be finished by the next. */
  #current: { readonly object: PlannedObject; readonly firstSequence: number } | undefined;
  /** The sequence number up to which every event is in an object. */
  #doneThrough = 0;

  constructor(options: S3SinkOptions) {
    this.#options = options;
    this.name = options.name ?? 's3';
    const { rotateBytes = ROTATE_BYTES, rotateMs = ROTATE_MS } = options;
    this.batch = { eventsMax: EVENTS_MAX, bytesMax: rotateBytes, waitMs: rotateMs };
    this.#prefix = parsePrefix(options.prefix ?? PREFIX);
    this.#manifestPrefix = options.manifestPrefix ?? MANIFEST_PREFIX;
    this.#encoding = { format: options.format ?? 'ndjson', compression: options.compression ?? 'gzip' };
    checkCompression(this.#encoding.compression);
  }

  /** What is in objects already is taken by itself; the object that was under way gets the same events again. */
  batchFrom(first: SpooledEvent): BatchLimits {
    const length = this.#replay.batchLength(first);
    if (length === undefined) return this.batch;
    const waitMs = length.kind === 'written' ? 0 : this.batch.waitMs;
    return { eventsMax: length.events, bytesMax: Number.MAX_SAFE_INTEGER, waitMs };
  }

  async open(context: SinkContext): Promise<void> {
    const { logger } = context;
    for (const warning of this.#prefix.warnings) logger.warn({ prefix: this.#prefix.expression }, warning);
    const { bucket, endpoint = 'AWS', journal: path, journalEvents = JOURNAL_EVENTS } = this.#options;
    const store = this.#options.store ?? (await createAwsStore(this.#options));
    try {
      await checkPlace(store, logger);
      const target = `${endpoint} ${bucket} ${this.#manifestPrefix}`;
      const journal = await ObjectJournal.open({ path, target, keepEvents: journalEvents });
      this.#opened = { store, journal, logger, writer: this.#createWriter(store, journal, context) };
      this.#replay = new Replay(journal.entries);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  async write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult> {
    const opened = this.#opened;
    if (opened === undefined) throw new IngestError('internal', 'Cannot write: the sink is not open');
    const retriesBefore = opened.writer.retries;
    if (!this.#isRecovered) await this.#recover(opened, signal);
    const left = batch.filter(({ sequence }) => sequence > this.#doneThrough);
    // A batch that is written again begins where its first try failed, behind what that skipped.
    const skipped = this.#current === undefined ? this.#replay.skip(left) : 0;
    this.#advance(left[skipped - 1]);
    for (let rest = left.slice(skipped); isSome(rest);) {
      const object = await this.#plan(rest, opened);
      const events = rest.slice(0, eventCountOf(object));
      await opened.writer.write(object, events, signal);
      this.#current = undefined;
      this.#advance(events.at(-1));
      rest = rest.slice(events.length);
    }
    const retries = opened.writer.retries - retriesBefore;
    return retries === 0 ? { refused: 0 } : { refused: 0, retries };
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.store.close();
    await opened?.journal[Symbol.asyncDispose]();
  }

  #createWriter(store: ObjectStore, journal: ObjectJournal, { pipeline, runId, logger }: SinkContext): ObjectWriter {
    const extension = extensionOf(this.#encoding);
    return new ObjectWriter({
      store,
      journal,
      naming: { prefix: this.#prefix, pipeline, runId, extension },
      source: { pipeline, chain: journal.chain, ...this.#encoding },
      manifestPrefix: this.#manifestPrefix,
      clock: this.#options.clock ?? systemClock,
      logger,
    });
  }

  async #recover({ journal, writer }: Opened, signal: AbortSignal): Promise<void> {
    const planned = journal.entries.find(({ isDone }) => !isDone)?.object;
    if (planned !== undefined) await writer.recover(planned, signal);
    this.#replay = new Replay(journal.entries);
    this.#isRecovered = true;
  }

  /** The object to write next: the one a failure interrupted, the one a crash interrupted, or a new one. */
  async #plan(events: NonEmpty, { journal, writer, logger }: Opened): Promise<PlannedObject> {
    const [{ sequence: firstSequence }] = events;
    const { firstSequence: interrupted, object: current } = this.#current ?? {};
    if (current !== undefined && interrupted === firstSequence) return current;
    const planned = this.#replay.takePlanned(events);
    const pending = journal.entries.find(({ isDone }) => !isDone)?.object;
    if (planned === undefined && pending !== undefined)
      logger.warn({ key: pending.key }, 'The events of an interrupted object do not come again as they were');
    const object = planned ?? (await writer.plan(events));
    this.#current = { object, firstSequence };
    return object;
  }

  #advance(last: SpooledEvent | undefined): void {
    if (last !== undefined) this.#doneThrough = last.sequence;
  }
}

type NonEmpty = readonly [SpooledEvent, ...SpooledEvent[]];

function isSome(events: readonly SpooledEvent[]): events is NonEmpty {
  return events.length > 0;
}

/** @throws IngestError `bucket-missing`, `access-refused`, `invalid-option` (no region): waiting will not help. */
async function checkPlace(store: ObjectStore, logger: Logger): Promise<void> {
  const check = await store.check(AbortSignal.timeout(CHECK_MS));
  if (check.kind === 'there') return;
  if (check.kind === 'refused') throw new IngestError(check.code, check.message);
  logger.warn({ error: check.message }, 'Cannot look at the bucket; writing is tried all the same');
}
