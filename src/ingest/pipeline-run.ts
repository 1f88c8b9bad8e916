import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/index.js';
import { Checkpointer } from './checkpointer.js';
import type { Checkpoint } from './checkpoint.js';
import type { Position } from './checkpoint-tracker.js';
import { Dedupe } from './dedupe.js';
import { Delivery } from './delivery.js';
import type { SinkStats } from './delivery.js';
import { IngestError, messageOf } from './errors.js';
import { Intake } from './intake.js';
import type { IntakeStats } from './intake.js';
import type { PipelineOptions } from './pipeline.js';
import type { Sink } from './sinks/sink.js';
import type { SourceItem, SourceStats } from './source.js';
import { Spool, SPOOL_EVENTS } from './spool.js';

export interface PipelineStats extends IntakeStats {
  readonly source: SourceStats;
  /** Gaps recorded in this run. */
  readonly gaps: number;
  readonly spool: { readonly events: number; readonly bytes: number };
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
  #parts: Parts | undefined;
  #gaps = 0;
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
      spool: { events: spool?.events ?? 0, bytes: spool?.bytes ?? 0 },
      sinks: Object.fromEntries(sinks),
      checkpoint: {
        ...(spool?.position ?? NOWHERE),
        saves: checkpointer?.saves ?? 0,
        failures: checkpointer?.failures ?? 0,
      },
    };
  }

  /** @throws IngestError the run failed; the sinks are closed and the checkpoint is saved then, too. */
  async run(signal: AbortSignal): Promise<'ended' | 'stopped'> {
    if (this.#parts !== undefined) throw new IngestError('internal', 'Cannot run a pipeline twice');
    await using _lock = await this.#options.checkpoint.lock?.();
    const loaded = await this.#options.checkpoint.load();
    const parts = this.#createParts(loaded);
    this.#parts = parts;
    await this.#openSinks();
    let reason: 'ended' | 'stopped' = 'stopped';
    try {
      // Saved before the first event: a stream without ids must know since when it was listened to.
      if (loaded === undefined) parts.checkpointer.markDirty();
      await parts.checkpointer.save();
      await this.#readAndDeliver(parts, loaded, signal);
      reason = signal.aborted ? 'stopped' : 'ended';
    } finally {
      await this.#closeSinks(this.#sinks(), reason);
      await parts.checkpointer.close();
    }
    return reason;
  }

  #sinks(): readonly Sink[] {
    return this.#options.sinks.map(({ sink }) => sink);
  }

  #createParts(loaded: Checkpoint | undefined): Parts {
    const { sinks, clock, logger, checkpoint: store, checkpointIntervalMs: intervalMs } = this.#options;
    const receivedAt = loaded === undefined ? clock.now() : Date.parse(loaded.receivedAt);
    const dedupe = this.#createDedupe(loaded);
    this.#intake.dedupe = dedupe;
    const known = dedupe?.mark ?? 0;
    const spool = new Spool({
      ...this.#options.spool,
      sinks: sinks.map(({ sink, onFull = 'block' }) => ({ name: sink.name, onFull })),
      start: { lastEventId: loaded?.lastEventId ?? '', receivedAt },
      onDrop: (sink) => this.#countDrop(sink),
      onSettled: () => checkpointer.markDirty(),
    });
    const checkpointer = new Checkpointer({
      store,
      intervalMs,
      clock,
      logger,
      gaps: loaded?.gaps ?? [],
      position: () => spool.position,
      keysAt: dedupe === undefined ? undefined : ({ keyMark = known }) => dedupe.keysThrough(keyMark),
    });
    const deliveries = sinks.map(({ sink }) => {
      const sinkLogger = logger.child({ sink: sink.name });
      const delivery = new Delivery({ sink, reader: spool.reader(sink.name), clock, logger: sinkLogger });
      return [sink.name, delivery] as const;
    });
    return { spool, checkpointer, deliveries: new Map(deliveries) };
  }

  #createDedupe(loaded: Checkpoint | undefined): Dedupe | undefined {
    const { dedupe, spool } = this.#options;
    return dedupe === undefined ? undefined : new Dedupe(dedupe, spool?.eventsMax ?? SPOOL_EVENTS, loaded?.keys);
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
    const { clock, drainTimeoutMs } = this.#options;
    const reading = new AbortController();
    const delivering = new AbortController();
    // Every sink listens to these, however many there are: that is no leak to warn of.
    setMaxListeners(0, reading.signal, delivering.signal);
    let cancelDrain: (() => void) | undefined;
    const stop = (): void => {
      reading.abort();
      cancelDrain ??= clock.after(drainTimeoutMs, () => delivering.abort());
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
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
    const { lastEventId } = parts.spool.position;
    this.#resumeId = lastEventId;
    const downSince = loaded === undefined ? {} : { downSince: Date.parse(loaded.receivedAt) };
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
        this.#advance(spool, this.#options.clock.now());
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

  #countDrop(sink: string): void {
    const nowMs = this.#options.clock.now();
    const drop = this.#drops.get(sink) ?? { count: 0, loggedAt: Number.NEGATIVE_INFINITY };
    drop.count += 1;
    this.#drops.set(sink, drop);
    if (nowMs - drop.loggedAt < DROP_LOG_MS) return;
    drop.loggedAt = nowMs;
    this.#options.logger.warn({ sink, dropped: drop.count }, 'The sink is behind and loses its oldest events');
  }
}
