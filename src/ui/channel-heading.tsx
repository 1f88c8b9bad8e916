import type { JSX } from 'preact';
import { formatBytes, formatCount, formatPlural, formatRate } from './format.js';
import { channel, channelInfo, gaps, live, ratePerSecond, received } from './state.js';

/** The shown channel's name and numbers. */
export function ChannelHeading(): JSX.Element {
  const name = channel.value;
  return (
    <div class="heading">
      <h2 title={name}>{name ?? (live.value.phase === 'refused' ? 'No channel' : '…')}</h2>
      <dl class="figures">
        <Figure name="events/s" value={formatRate(ratePerSecond.value)} />
        <Figure name="received" value={formatCount(received.value)} />
        <Figure name={gaps.value === 1 ? 'gap' : 'gaps'} value={formatCount(gaps.value)} isBad={gaps.value > 0} />
      </dl>
      <p class="note">{historyLine()}</p>
    </div>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly isBad?: boolean;
}

function Figure({ name, value, isBad = false }: FigureProps): JSX.Element {
  return (
    <div class={isBad ? 'figure is-bad' : 'figure'}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function historyLine(): string {
  const info = channelInfo.value;
  if (info === undefined) return live.value.phase === 'refused' ? '' : 'Not listed: this channel has no history yet.';
  const kept = `${formatPlural(info.events, 'event')} in the history (${formatBytes(info.bytes)})`;
  return `${kept} · ${formatPlural(info.subscribers, 'subscriber')}`;
}
