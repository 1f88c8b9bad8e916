import type { Clock } from '../base/index.js';
import type { BatchLimits } from './sinks/sink.js';
import type { SpooledEvent, SpoolReader } from './spool/spool.js';

/**
 * The next batch for a sink: as soon as it is full, or half of what the spool holds waits for it, or `waitMs`
 * after its first event came, or at once where the spool is closed. Empty where nothing will come any more or
 * `signal` aborted.
 */
export async function nextBatch(
  reader: SpoolReader,
  limitsFrom: (first: SpooledEvent) => BatchLimits,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly SpooledEvent[]> {
  for (;;) {
    while (reader.pendingEvents === 0) {
      if (reader.isClosed || signal.aborted) return [];
      await reader.changed(signal);
    }
    const first = await reader.peek();
    if (signal.aborted) return [];
    // The spool may have dropped it meanwhile.
    if (first === undefined) continue;
    const limits = withinHalf(limitsFrom(first), reader.half);
    if (limits.waitMs > 0) await waitForCompany(reader, limits, { clock, signal });
    const batch = signal.aborted ? [] : await reader.take(limits);
    if (batch.length > 0 || signal.aborted) return batch;
  }
}

/** Half of the spool, so that the source can fill the other half while a batch is written. */
function withinHalf(limits: BatchLimits, half: SpoolReader['half']): BatchLimits {
  return {
    ...limits,
    eventsMax: Math.min(limits.eventsMax, half.events),
    bytesMax: Math.min(limits.bytesMax, half.bytes),
  };
}

async function waitForCompany(
  reader: SpoolReader,
  limits: BatchLimits,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const enough = new AbortController();
  const stop = (): void => enough.abort();
  const cancel = clock.after(limits.waitMs, stop);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  while (!isFull(reader, limits) && !reader.isClosed && !enough.signal.aborted) await reader.changed(enough.signal);
  cancel();
  signal.removeEventListener('abort', stop);
}

function isFull(reader: SpoolReader, limits: BatchLimits): boolean {
  return reader.pendingEvents >= limits.eventsMax || reader.pendingBytes >= limits.bytesMax;
}
