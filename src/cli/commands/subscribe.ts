import { subscribe as openSubscription } from '../../client/index.js';
import type { Delivery, EventDelivery, GapDelivery, StatusDelivery, SubscribeOptions } from '../../client/index.js';
import { hubAccessOf } from '../client-options.js';
import type { Settings } from '../config/index.js';
import { formatDuration } from '../config/index.js';
import { writeFully } from '../io.js';
import { painter, printable } from '../terminal.js';
import type { Paint } from '../terminal.js';
import type { Command } from '../verbs.js';

/** `tidegate subscribe CHANNEL...`: prints events until the channels end, `--count` is reached, or Ctrl-C. */
export const subscribe: Command = async ({ settings, args: channels, io }) => {
  const paint = painter(io.stdout, io.env);
  const isForPeople = io.stdout.isTTY === true;
  const areSeveral = channels.length > 1;
  let left = settings.count ?? Number.POSITIVE_INFINITY;
  const options = await toOptions(settings, io.cwd);
  for await (const delivery of openSubscription({ ...options, channels, signal: io.signal })) {
    if (delivery.kind === 'event') {
      const text = isForPeople ? formatForPeople(delivery, areSeveral, paint) : formatAsJson(delivery, areSeveral);
      await writeFully(io.stdout, `${text}\n`);
      left -= 1;
      if (left === 0) return;
      continue;
    }
    const note = describe(delivery, painter(io.stderr, io.env));
    if (note !== undefined) io.stderr.write(`${note}\n`);
  }
};

async function toOptions(settings: Settings, cwd: string): Promise<Omit<SubscribeOptions, 'channels'>> {
  const { since, last } = settings;
  return {
    ...(await hubAccessOf(settings, cwd)),
    ...(since === undefined ? {} : { since }),
    ...(last === undefined ? {} : { last: last === 'all' ? last : Number(last) }),
  };
}

function formatAsJson({ channel, id, type, data }: EventDelivery, areSeveral: boolean): string {
  return JSON.stringify({ ...(areSeveral ? { channel } : {}), id, type, data });
}

/** `type  id  data`; the further lines of the data are indented, so that events stay apart. */
function formatForPeople({ channel, id, type, data }: EventDelivery, areSeveral: boolean, paint: Paint): string {
  const head = [
    ...(areSeveral ? [paint('magenta', printable(channel ?? ''))] : []),
    paint('cyan', printable(type)),
    ...(id === '' ? [] : [paint('dim', printable(id))]),
  ].join('  ');
  const [first = '', ...rest] = data.split('\n').map(printable);
  return [`${head}  ${first}`, ...rest.map((line) => `    ${line}`)].join('\n');
}

/** Everything that is no event, for people to see beside them; undefined where there is nothing to say. */
function describe(delivery: Exclude<Delivery, EventDelivery>, paint: Paint): string | undefined {
  switch (delivery.kind) {
    case 'gap':
      return describeGap(delivery, paint);
    case 'status':
      return describeStatus(delivery, paint);
    case 'conflated':
      return paint(
        'dim',
        printable(`${delivery.skipped} passed over for newer ones in ${delivery.channels.join(', ')}`),
      );
    case 'end':
      return paint('dim', printable(`channel ${delivery.channel} has ended`));
    case 'open':
    case 'cursor':
    case 'live':
    default:
      return undefined;
  }
}

function describeGap({ channel, reason, requested }: GapDelivery, paint: Paint): string {
  const text = `gap: events of ${channel} after ${requested} are lost (${reason})`;
  return paint('yellow', printable(text));
}

function describeStatus({ state, cause = '', delayMs = 0 }: StatusDelivery, paint: Paint): string {
  if (state === 'connected') return paint('dim', 'connected');
  return paint('yellow', printable(`reconnecting in ${formatDuration(delayMs)}: ${cause}`));
}
