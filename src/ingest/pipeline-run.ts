import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/index.js';
import { Checkpointer } from './checkpoints/checkpointer.js';
import type { Checkpoint } from './checkpoints/checkpoint.js';
import type { Position } from './spool/checkpoint-tracker.js';
import { Dedupe } from './intake/dedupe.js';
import { Delivery } from './delivery.js';
import type { SinkStats } from './delivery.js';
import { IngestError, messageOf } from './errors.js';
import { Intake } from './intake/intake.js';
import type { IntakeStats } from './intake/intake.js';
import type { PipelineOptions } from './pipeline.js';
import type { Sink } from './sinks/sink.js';
import type { SourceItem, SourceStats } from './sources/source.js';
import { openSpool } from './spool/open-spool.js';
import { SPOOL_EVENTS_MAX } from './spool/spool.js';
import type { Spool } from './spool/spool.js';

export interface PipelineStats extends IntakeStats {
  readonly source: SourceStats;
  /** Gaps recorded in this run. */
  readonly gaps: number;
  /** The sinks are open and events are taken. */
  readonly isOpen: boolean;
  /** When the source was heard of last, by an event or a new position; undefined before that. Milliseconds since 1970. */
  readonly heardAt: number | undefined;
  readonly spool: {
    readonly events: number;
    readonly bytes: number;
    /** When the oldest event came that some sink does not have; undefined where there is none. Milliseconds since 1970. */
    readonly oldestAt: number | undefined;
  };
  /** By the sink's name. */
  readonly sinks: Readonly<Record<string, SinkStats>>;
  readonly checkpoint: Position & { readonly saves: number; readonly failures: number };
}

export interface PipelineRunOptions extends PipelineOptions {
  readonly clock: Clock;
  readonly runId: string;
  readonly checkpointIntervalMs: number;
  readonly drainTimeoutMs: number;
}

/** Milliseconds between two log lines about events that one sink loses. */
const DROP_LOG_MS = 10_000;
const NOWHERE: Position = { lastEventId: '', receivedAt: 0 };

/** The parts that are there while the pipeline runs. */
interface Parts {
  readonly spool: Spool;
  readonly checkpointer: Checkpointer;
  readonly deliveries: ReadonlyMap<string, Delivery>;
}

/** One run of a pipeline, from the loaded checkpoint to the last saved one. */
export class PipelineRun {
  readonly #options: PipelineRunOptions;
  readonly #intake: Intake;
  readonly #drops = new Map<string, { count: number; loggedAt: number }>();
  /** Aborts when somebody else runs the pipeline: they have the checkpoint, so this run has nothing to save any more. */
  readonly #abandoned = new AbortController();
  #parts: Parts | undefined;
  #gaps = 0;
  #isOpen = false;
  #heardAt: number | undefined;
  /** The id of the last thing that was read, acknowledged or not. */
  #resumeId = '';

  constructor(options: PipelineRunOptions) {
    this.#options = options;
    this.#intake = new Intake(options);
    // Made once for its faults to show before the start; made again when the checkpoint is known.
    this.#intake.dedupe = this.#createDedupe(undefined);
  }

  stats(): PipelineStats {
    const { spool, checkpointer, deliveries } = this.#parts ?? {};
    const sinks = Array.from(deliveries ?? [], ([name, delivery]) => {
      return [name, delivery.stats(this.#drops.get(name)?.count ?? 0)] as const;
    });
    return {
      source: this.#options.source.stats(),
      ...this.#intake.stats,
      gaps: this.#gaps,
      isOpen: this.#isOpen,
      heardAt: this.#heardAt,
      spool: { events: spool?.events ?? 0, bytes: spool?.bytes ?? 0, oldestAt: spool?.oldestAt },
      sinks: Object.fromEntries(sinks),
      checkpoint: {
        ...(spool?.position ?? NOWHERE),
        saves: checkpointer?.saves ?? 0,
        failures: checkpointer?.failures ?? 0,
      },
    };
  }

  /** @throws IngestError the run failed; the sinks are closed and the checkpoint is saved then, too. */
  async run(signal: AbortSignal): Promise<'ended' | 'stopped' | 'lost'> {
    if (this.#parts !== undefined) throw new IngestError('internal', 'Cannot run a pipeline twice');
    const { checkpoint } = this.#options;
    await using _store = { [Symbol.asyncDispose]: async () => checkpoint.close?.() };
    await using _lock = await checkpoint.lock?.();
    const loaded = await checkpoint.load();
    this.#warnOfOtherSource(loaded);
    const parts = await this.#createParts(loaded);
    await using _spool = parts.spool;
    this.#parts = parts;
    await this.#openSinks();
    this.#isOpen = true;
    let reason: 'ended' | 'stopped' = 'stopped';
    try {
      // Saved before the first event: a stream without ids must know since when it was listened to.
      if (loaded === undefined) parts.checkpointer.markDirty();
      await parts.checkpointer.save();
      await this.#readAndDeliver(parts, loaded, signal);
      reason = signal.aborted || this.#isLost || this.#abandoned.signal.aborted ? 'stopped' : 'ended';
    } finally {
      this.#isOpen = false;
      await this.#closeSinks(this.#sinks(), reason);
      await parts.checkpointer.close();
    }
    this.#abandoned.signal.throwIfAborted();
    return this.#isLost ? 'lost' : reason;
  }

  /** An id means nothing elsewhere; but a feed may have moved, so this is no refusal. */
  #warnOfOtherSource(loaded: Checkpoint | undefined): void {
    const { sourceName: now, logger } = this.#options;
    const before = loaded?.source;
    if (before === undefined || now === undefined || before === now) return;
    const sentence = 'The checkpoint is of another source, and its id is sent to this one';
    logger.warn({ before, now }, `${sentence}; a pipeline.name of its own would begin anew`);
  }

  get #isLost(): boolean {
    return this.#options.fence?.isHeld === false;
  }

  #sinks(): readonly Sink[] {
    return this.#options.sinks.map(({ sink }) => sink);
  }

  async #createParts(loaded: Checkpoint | undefined): Promise<Parts> {
    const { sinks, clock, logger, checkpoint: store, checkpointIntervalMs: intervalMs } = this.#options;
    const receivedAt = loaded === undefined ? clock.now() : Date.parse(loaded.receivedAt);
    const dedupe = this.#createDedupe(loaded);
    this.#intake.dedupe = dedupe;
    const known = dedupe?.mark;
    const spool = await openSpool({
      ...this.#options.spool,
      pipeline: this.#options.name,
      saveIntervalMs: intervalMs,
      clock,
      logger,
      sinks: sinks.map(({ sink, onFull = 'block' }) => ({ name: sink.name, onFull })),
      start: { lastEventId: loaded?.lastEventId ?? '', receivedAt },
      isCheckpoint: loaded !== undefined,
      onFoundKey: (keyMark) => dedupe?.recall(keyMark),
      onDrop: (sink, events) => this.#countDrop(sink, events),
      onSettled: () => checkpointer.markDirty(),
    });
    const checkpointer = new Checkpointer({
      store,
      intervalMs,
      clock,
      logger,
      fence: this.#options.fence,
      gaps: loaded?.gaps ?? [],
      source: this.#options.sourceName,
      position: () => spool.position,
      onTaken: (error) => this.#abandoned.abort(error),
      keysAt: dedupe === undefined ? undefined : ({ keyMark = known ?? '' }) => dedupe.keysThrough(keyMark),
    });
    const deliveries = sinks.map(({ sink }) => {
      const sinkLogger = logger.child({ sink: sink.name });
      const { fence } = this.#options;
      const delivery = new Delivery({ sink, reader: spool.reader(sink.name), fence, clock, logger: sinkLogger });
      return [sink.name, delivery] as const;
    });
    return { spool, checkpointer, deliveries: new Map(deliveries) };
  }

  #createDedupe(loaded: Checkpoint | undefined): Dedupe | undefined {
    const { dedupe, spool } = this.#options;
    return dedupe === undefined ? undefined : new Dedupe(dedupe, spool?.eventsMax ?? SPOOL_EVENTS_MAX, loaded?.keys);
  }

  async #openSinks(): Promise<void> {
    const { name: pipeline, runId, logger } = this.#options;
    const opened: Sink[] = [];
    try {
      for (const sink of this.#sinks()) {
        await sink.open({ pipeline, runId, logger: logger.child({ sink: sink.name }) });
        opened.push(sink);
      }
    } catch (error) {
      await this.#closeSinks(opened, 'stopped');
      throw error;
    }
  }

  async #closeSinks(sinks: readonly Sink[], reason: 'ended' | 'stopped'): Promise<void> {
    for (const sink of sinks) {
      await sink.close(reason).catch((error: unknown) => {
        this.#options.logger.error({ sink: sink.name, error: messageOf(error) }, 'Cannot close the sink');
      });
    }
  }

  /** Reads until the source is over, then lets the sinks finish: without a bound, unless `signal` aborts. */
  async #readAndDeliver(parts: Parts, loaded: Checkpoint | undefined, signal: AbortSignal): Promise<void> {
    const { clock, drainTimeoutMs, fence } = this.#options;
    const reading = new AbortController();
    const delivering = new AbortController();
    // Every sink listens to these, however many there are: that is no leak to warn of.
    setMaxListeners(0, reading.signal, delivering.signal);
    let cancelDrain: (() => void) | undefined;
    const stop = (): void => {
      reading.abort();
      cancelDrain ??= clock.after(drainTimeoutMs, () => delivering.abort());
    };
    const cut = (): void => {
      reading.abort();
      delivering.abort();
    };
    signal.addEventListener('abort', stop);
    fence?.lost.addEventListener('abort', cut);
    if (signal.aborted) stop();
    if (fence?.lost.aborted === true) cut();
    this.#abandoned.signal.addEventListener('abort', cut);
    if (this.#abandoned.signal.aborted) cut();
    const deliveries = this.#deliver(parts, delivering, reading);
    // It is awaited below, but only when reading has ended.
    deliveries.catch(() => {});
    try {
      await this.#read(parts, loaded, reading.signal);
    } finally {
      parts.spool.close();
      try {
        await deliveries;
      } finally {
        cancelDrain?.();
        signal.removeEventListener('abort', stop);
        fence?.lost.removeEventListener('abort', cut);
      }
      if (parts.spool.events > 0)
        this.#options.logger.warn({ events: parts.spool.events }, 'Stopped with events unwritten; they come again');
    }
  }

  /** A delivery that breaks, which none should, ends everything: the others must not go on alone. */
  async #deliver({ deliveries }: Parts, delivering: AbortController, reading: AbortController): Promise<void> {
    const abortAll = (error: unknown): never => {
      reading.abort();
      delivering.abort();
      throw error;
    };
    const running = [...deliveries.values()].map((delivery) => delivery.run(delivering.signal).catch(abortAll));
    const results = await Promise.allSettled(running);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #read(parts: Parts, loaded: Checkpoint | undefined, signal: AbortSignal): Promise<void> {
    const { source, logger } = this.#options;
    // A spool on disk may hold more than the checkpoint speaks of.
    const { lastEventId, receivedAt } = parts.spool.start;
    this.#resumeId = lastEventId;
    const downSince = loaded === undefined && parts.spool.isFresh ? {} : { downSince: receivedAt };
    for await (const items of source.read({ lastEventId, ...downSince, signal, logger })) {
      for (const item of items) {
        if (signal.aborted) return;
        await this.#take(item, parts, signal);
      }
    }
  }

  async #take(item: SourceItem, { spool, checkpointer }: Parts, signal: AbortSignal): Promise<void> {
    switch (item.kind) {
      case 'event': {
        const { resumeId } = item;
        this.#resumeId = resumeId;
        this.#heardAt = item.event.receivedAt;
        const event = this.#intake.take(item.event);
        if (event === undefined) {
          this.#advance(spool, item.event.receivedAt);
          return;
        }
        while (!spool.tryAppend(event, resumeId, this.#intake.dedupe?.mark)) {
          await spool.waitForRoom(signal);
          if (signal.aborted) return;
        }
        return;
      }
      case 'position':
        this.#resumeId = item.resumeId;
        this.#heardAt = this.#options.clock.now();
        this.#advance(spool, this.#heardAt);
        return;
      case 'gap':
        this.#gaps += 1;
        checkpointer.recordGap(item.gap);
        // A gap that is recorded is dealt with: the next one begins after it.
        this.#advance(spool, this.#options.clock.now());
        this.#options.logger.warn({ gap: item.gap }, 'Gap: the source cannot give these events any more');
    }
  }

  /** Moves on over something that no sink gets. */
  #advance(spool: Spool, receivedAt: number): void {
    spool.advance({ lastEventId: this.#resumeId, receivedAt, keyMark: this.#intake.dedupe?.mark });
  }

  #countDrop(sink: string, events: number): void {
    const nowMs = this.#options.clock.now();
    const drop = this.#drops.get(sink) ?? { count: 0, loggedAt: Number.NEGATIVE_INFINITY };
    drop.count += events;
    this.#drops.set(sink, drop);
    if (nowMs - drop.loggedAt < DROP_LOG_MS) return;
    drop.loggedAt = nowMs;
    this.#options.logger.warn({ sink, dropped: drop.count }, 'The sink is behind and loses its oldest events');
  }
}
