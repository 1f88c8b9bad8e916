import { setImmediate as turn } from 'node:timers/promises';
import { createPipeline } from '../../src/ingest/index.js';
import type { PipelineOptions, PipelineOutcome, PipelineStats, Source, SourceItem } from '../../src/ingest/index.js';
import { createCapturingLogger } from './capturing-logger.js';
import { JumpingClock } from './clocks.js';
import { createMemoryStore, NO_STATS } from './pipeline-parts.js';

export type RunningOptions = Partial<PipelineOptions> & Pick<PipelineOptions, 'sinks'>;

export interface RunningPipeline extends AsyncDisposable {
  /** Gives the pipeline events with these numbers: `n` in their data, and how their ids begin. */
  readonly publish: (...ids: readonly number[]) => void;
  readonly logger: ReturnType<typeof createCapturingLogger>;
  /** What it is saved in where the options name nothing else. */
  readonly checkpoint: ReturnType<typeof createMemoryStore>;
  readonly stats: () => PipelineStats;
  readonly until: (isSo: (stats: PipelineStats) => boolean) => Promise<void>;
  readonly stop: () => Promise<PipelineOutcome>;
}

/** A source that gives what it is told to, until it is stopped. */
function createFeed(filling: string) {
  const items: SourceItem[] = [];
  const source: Source = {
    async *read({ signal }) {
      for (let at = 0; !signal.aborted;) {
        const news = items.slice(at);
        at += news.length;
        if (news.length > 0) yield news;
        else await turn();
      }
    },
    stats: () => NO_STATS,
  };
  const publish = (...ids: readonly number[]): void => {
    for (const id of ids) {
      const data = JSON.stringify({ n: id, filling });
      const event = { id: `${id}-${filling}`, type: 'message', data, receivedAt: id };
      items.push({ kind: 'event', event, resumeId: String(id) });
    }
  };
  return { source, publish };
}

/** Runs a pipeline whose events are as large as `filling` makes them, by a clock that jumps. */
export function startPipeline(options: RunningOptions, filling = ''): RunningPipeline {
  const feed = createFeed(filling);
  const logger = createCapturingLogger();
  const checkpoint = createMemoryStore();
  const clock = new JumpingClock();
  const pipeline = createPipeline({ name: 'p', source: feed.source, checkpoint, logger, clock, ...options });
  const stop = new AbortController();
  const running = pipeline.run(stop.signal);
  return {
    publish: feed.publish,
    logger,
    checkpoint,
    stats: () => pipeline.stats(),
    until: async (isSo) => {
      while (!isSo(pipeline.stats())) await turn();
    },
    stop: async () => {
      stop.abort();
      return running;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
