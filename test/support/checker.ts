/** One event as a test published it; `key` is unique among all of a test's events. */
export interface PublishedEvent {
  readonly channel: string;
  readonly key: string;
}

/** What one subscriber received, in order: events by their key, and gaps. */
export type ReceivedItem =
  | { readonly kind: 'event'; readonly channel: string; readonly key: string }
  | { readonly kind: 'gap'; readonly channel: string };

export interface Delivered {
  readonly name: string;
  readonly channels: readonly string[];
  readonly received: readonly ReceivedItem[];
  /** Per channel the first event that must be there; where a channel is missing here: all of them. */
  readonly from?: Readonly<Record<string, string>>;
  /** Whether an event may come again after a cut (several channels on one connection: PROTOCOL.md, 3.5). */
  readonly mayRepeat?: boolean;
}

export interface Fault {
  readonly subscriber: string;
  readonly kind: 'missing' | 'duplicate' | 'disorder' | 'foreign';
  readonly channel: string;
  readonly key: string;
}

/**
 * Compares what subscribers received with what was published, in order of publishing. An event may be missing
 * only where a gap of its channel was received in its place; none may come twice or out of order.
 */
export function checkDelivery(
  published: readonly PublishedEvent[],
  subscribers: readonly Delivered[],
): readonly Fault[] {
  return subscribers.flatMap((subscriber) =>
    subscriber.channels.flatMap((channel) => checkChannel(published, subscriber, channel)),
  );
}

function checkChannel(published: readonly PublishedEvent[], subscriber: Delivered, channel: string): readonly Fault[] {
  const keys = published.filter((event) => event.channel === channel).map(({ key }) => key);
  const first = subscriber.from?.[channel];
  const expected = new Map((first === undefined ? keys : keys.slice(keys.indexOf(first))).map((key, at) => [key, at]));
  const names = [...expected.keys()];
  const faults: Fault[] = [];
  const report = (kind: Fault['kind'], key: string): void => {
    faults.push({ subscriber: subscriber.name, kind, channel, key });
  };
  const seen = new Set<string>();
  let next = 0;
  let hasGap = false;
  const missUpTo = (end: number): void => {
    for (const key of names.slice(next, end)) if (!seen.has(key) && !hasGap) report('missing', key);
  };
  for (const item of subscriber.received) {
    if (item.channel !== channel) continue;
    if (item.kind === 'gap') {
      hasGap = true;
      continue;
    }
    const at = expected.get(item.key);
    if (at === undefined) report('foreign', item.key);
    else if (seen.has(item.key)) {
      if (subscriber.mayRepeat !== true) report('duplicate', item.key);
    } else if (at < next) report('disorder', item.key);
    else {
      missUpTo(at);
      hasGap = false;
      next = at + 1;
    }
    seen.add(item.key);
  }
  missUpTo(names.length);
  return faults;
}
