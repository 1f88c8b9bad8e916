import { sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { checkChannelName } from '../../protocol/index.js';
import { openTarget } from '../generated-events.js';
import type { EventTarget } from '../generated-events.js';
import { LiveLine } from '../live-line.js';
import { generateData } from '../replay/index.js';
import type { Command } from '../verbs.js';

/** Events that are due are sent together, so often. */
const TICK_MS = 20;
const LINE_EVERY_MS = 500;

interface Counts {
  published: number;
  /** What was refused, or could not be sent. */
  failure: unknown;
}

/** `tidegate generate CHANNEL`: made-up events at a steady rate; what cannot be taken in time is made up later, not left out. */
export const generate: Command = async ({ settings, args, io }) => {
  const [channel = ''] = args;
  checkChannelName(channel);
  const rate = settings.rate === 'max' ? Number.POSITIVE_INFINITY : Number(settings.rate);
  const counts: Counts = { published: 0, failure: undefined };
  const line = io.stderr.isTTY === true ? new LiveLine(io.stderr) : undefined;
  await using target = await openTarget(settings, channel, io.cwd);
  const failed = new AbortController();
  const signal = AbortSignal.any([io.signal, failed.signal]);
  const data = generateData(() => systemClock.now(), settings.seed);
  const publishOne = (): void => {
    target.publish(data.next().value).then(
      () => (counts.published += 1),
      (error: unknown) => {
        counts.failure ??= error;
        failed.abort();
      },
    );
  };
  using _report = reportCount(() => counts.published, line);
  await atRate({ rate, count: settings.count ?? Number.POSITIVE_INFINITY, signal, target, publishOne });
  await target.drain();
  line?.clear();
  io.stderr.write(`published ${counts.published} events\n`);
  if (counts.failure !== undefined) throw counts.failure;
};

interface Pace {
  readonly rate: number;
  readonly count: number;
  readonly signal: AbortSignal;
  readonly target: EventTarget;
  readonly publishOne: () => void;
}

/** Calls `publishOne` as often as is due, against a schedule: a tick that is late makes up for it. */
async function atRate({ rate, count, signal, target, publishOne }: Pace): Promise<void> {
  const startedMs = performance.now();
  for (let made = 0; made < count && !signal.aborted;) {
    const due = Math.min(count, ((performance.now() - startedMs) / 1000) * rate + 1);
    for (; made < due && !signal.aborted; made += 1) {
      await target.whenReady();
      publishOne();
    }
    if (made < count) await sleep(TICK_MS, signal, systemClock);
  }
}

/** Shows how many there are, and how many a second, until disposed. */
function reportCount(read: () => number, line: LiveLine | undefined, clock: Clock = systemClock): Disposable {
  if (line === undefined) return { [Symbol.dispose]: () => undefined };
  let before = { atMs: clock.now(), count: 0 };
  let cancel = clock.after(LINE_EVERY_MS, report);
  function report(): void {
    const now = { atMs: clock.now(), count: read() };
    const perSecond = ((now.count - before.count) * 1000) / (now.atMs - before.atMs);
    before = now;
    line?.show(`published ${now.count} events, ${Math.round(perSecond)} a second`);
    cancel = clock.after(LINE_EVERY_MS, report);
  }
  return { [Symbol.dispose]: () => cancel() };
}
