import { listChannels } from './hub-api.js';
import { followHash } from './hash.js';
import { channelList, hubUrl } from './state.js';

const POLL_MS = 2000;

/** Looks at the hub's channels every 2 s, and not at all while the page is hidden; call it once. */
export function watchChannels(): void {
  void poll();
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void look();
  });
}

async function poll(): Promise<void> {
  if (!document.hidden) await look();
  setTimeout(() => void poll(), POLL_MS);
}

async function look(): Promise<void> {
  try {
    channelList.value = { ...(await listChannels(hubUrl)), isKnown: true, problem: '' };
    followHash();
  } catch {
    channelList.value = { ...channelList.value, problem: 'The hub does not answer; this list may be old.' };
  }
}
