import type { Source, SourceItem, SourceReadOptions, SseSourceOptions } from '../../src/ingest/index.js';
import { createSseSource } from '../../src/ingest/index.js';
import { createCapturingLogger } from './capturing-logger.js';
import { JumpingClock } from './clocks.js';

export interface Reading {
  readonly items: SourceItem[];
  readonly logger: ReturnType<typeof createCapturingLogger>;
  readonly error: unknown;
}

/** Reads to the source's end; `visit` sees each item as it comes. */
export async function readSource(
  source: Source,
  from: Partial<SourceReadOptions> = {},
  visit: (item: SourceItem) => void = () => {},
): Promise<Reading> {
  const logger = createCapturingLogger();
  const items: SourceItem[] = [];
  let error: unknown;
  try {
    const reading = { lastEventId: '', signal: new AbortController().signal, logger, ...from };
    for await (const batch of source.read(reading)) {
      for (const item of batch) {
        items.push(item);
        visit(item);
      }
    }
  } catch (thrown) {
    error = thrown;
  }
  return { items, logger, error };
}

/** Reads Server-Sent Events to their end with time that jumps, the jitter always at its maximum. */
export async function readSse(
  options: SseSourceOptions,
  from: Partial<SourceReadOptions> = {},
  visit: (item: SourceItem) => void = () => {},
): Promise<Reading & { readonly source: Source; readonly clock: JumpingClock }> {
  const clock = new JumpingClock();
  const source = createSseSource({ clock, random: () => 0.999_999, idleTimeoutMs: 0, ...options });
  return { ...(await readSource(source, from, visit)), source, clock };
}

export function dataOf(items: readonly SourceItem[]): string[] {
  return items.flatMap((item) => (item.kind === 'event' ? [item.event.data] : []));
}

export function resumeIdsOf(items: readonly SourceItem[]): string[] {
  return items.flatMap((item) => (item.kind === 'gap' ? [] : [item.resumeId]));
}
