import { useState } from 'preact/hooks';
import type { JSX, TargetedSubmitEvent } from 'preact';
import { checkChannelName } from '../protocol/index.js';
import { formatPlural, formatRate } from './format.js';
import { hashOfChannel } from './hash.js';
import type { ChannelInfo } from './hub-api.js';
import { channel, channelList } from './state.js';

/** The hub's channels with their rates; each is a link that subscribes to it. */
export function ChannelList(): JSX.Element {
  const { channels, hasMore, isKnown, problem } = channelList.value;
  return (
    <nav class="card channels" aria-label="Channels">
      <h2>Channels</h2>
      <p class={problem === '' ? 'note' : 'note is-bad'}>
        {problem === '' ? (isKnown ? summaryOf(channels, hasMore) : 'Asking the hub…') : problem}
      </p>
      <ul>
        {channels.map((info) => (
          <ChannelLink key={info.name} info={info} isCurrent={info.name === channel.value} />
        ))}
      </ul>
      {hasMore && <p class="note">There are more. Open any by its name.</p>}
      <OpenByName />
    </nav>
  );
}

function summaryOf(channels: readonly ChannelInfo[], hasMore: boolean): string {
  if (channels.length === 0) return 'None yet.';
  const subscribers = channels.reduce((sum, info) => sum + info.subscribers, 0);
  const perSecond = channels.reduce((sum, info) => sum + info.eventsPerSecond, 0);
  const count = hasMore ? `the first ${channels.length}` : formatPlural(channels.length, 'channel');
  return `${count} · ${formatPlural(subscribers, 'subscriber')} · ${formatRate(perSecond)}/s`;
}

function ChannelLink({ info, isCurrent }: { readonly info: ChannelInfo; readonly isCurrent: boolean }): JSX.Element {
  return (
    <li>
      <a href={hashOfChannel(info.name)} aria-current={isCurrent ? 'true' : undefined} title={info.name}>
        <span class="channel-name">{info.name}</span>
        <span class="channel-rate">{info.isEnded ? 'ended' : `${formatRate(info.eventsPerSecond)}/s`}</span>
        <span class="channel-subscribers">{formatPlural(info.subscribers, 'subscriber')}</span>
      </a>
    </li>
  );
}

/** A channel need not be listed: it begins with its first subscriber or event. */
function OpenByName(): JSX.Element {
  const [fault, setFault] = useState('');
  const open = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const typed = new FormData(form).get('name');
    const name = typeof typed === 'string' ? typed.trim().normalize('NFC') : '';
    try {
      location.hash = hashOfChannel(checkChannelName(name));
      form.reset();
      setFault('');
    } catch (error) {
      setFault(error instanceof Error ? error.message : 'This is no channel name');
    }
  };
  return (
    <form class="open-by-name" onSubmit={open}>
      <input
        name="name"
        placeholder="Other channel"
        aria-label="Subscribe to another channel"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        required
      />
      <button type="submit">Open</button>
      {fault !== '' && (
        <p class="note is-bad" role="alert">
          {fault}
        </p>
      )}
    </form>
  );
}
