import { checkChannelName, ProtocolError } from '../protocol/index.js';
import type { ChannelInfo } from './hub-api.js';
import { channel, channelList } from './state.js';
import { refuseChannel, showChannel } from './subscription.js';

/** The name that was refused last, so that it is refused once and not at every look. */
let refusedName: string | undefined;

/** The channel that a link's `#…` names; empty where it names none. */
function channelOfHash(hash: string): string {
  const text = hash.startsWith('#') ? hash.slice(1) : hash;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function hashOfChannel(name: string): string {
  return `#${encodeURIComponent(name)}`;
}

/** Shows the channel in the address, now and whenever that changes; call it once. */
export function watchHash(): void {
  window.addEventListener('hashchange', followHash);
  followHash();
}

/** Shows the channel in the address; without one, the first listed in which something can still happen. */
export function followHash(): void {
  const named = channelOfHash(location.hash);
  if (named === '') {
    const first = channel.value ?? defaultChannel(channelList.value.channels);
    if (first === undefined) return;
    // Replaced, not added: going back should leave the page, not undo what it chose by itself.
    history.replaceState(null, '', hashOfChannel(first));
    return followHash();
  }
  if (named === channel.value || named === refusedName) return;
  refusedName = undefined;
  try {
    showChannel(checkChannelName(named));
  } catch (error) {
    refusedName = named;
    refuseChannel(error instanceof ProtocolError ? error.message : 'This is no channel');
  }
}

function defaultChannel(channels: readonly ChannelInfo[]): string | undefined {
  return (channels.find(({ isEnded }) => !isEnded) ?? channels[0])?.name;
}
