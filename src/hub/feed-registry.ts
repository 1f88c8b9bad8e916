import type { Channel } from './channel.js';
import { HubError } from './errors.js';
import { createChannelFeed, createMergedFeed } from './feed.js';
import type { Feed } from './feed.js';
import { bareForm, envelopeForm } from './form.js';

/** The feeds that are followed: one for all subscribers of the same channels in the same form. */
export class FeedRegistry {
  readonly #formatCursor: (offset: number) => string;
  readonly #feeds = new Map<string, Feed>();
  readonly #keys = new Map<Feed, string>();

  constructor(formatCursor: (offset: number) => string) {
    this.#formatCursor = formatCursor;
  }

  /** The feed; `release` it when its last subscriber has gone, or where it gets none. */
  open(channels: readonly Channel[], isEnvelope: boolean): Feed {
    const sorted = channels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const key = JSON.stringify([isEnvelope, ...sorted.map(({ name }) => name)]);
    const found = this.#feeds.get(key);
    // A name may be of a new channel, while who followed the one that ended is still there.
    if (found?.channels.every((channel, at) => channel === sorted[at]) === true) return found;
    const feed = this.#create(sorted, isEnvelope);
    this.#feeds.set(key, feed);
    this.#keys.set(feed, key);
    for (const channel of feed.channels) channel.addFeed(feed);
    return feed;
  }

  release(feed: Feed): void {
    const key = this.#keys.get(feed);
    if (key === undefined || feed.subscribers.size > 0) return;
    this.#keys.delete(feed);
    if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
    for (const channel of feed.channels) channel.removeFeed(feed);
  }

  #create(channels: readonly Channel[], isEnvelope: boolean): Feed {
    const [only, another] = channels;
    if (only === undefined) throw new HubError('missing-channel', 'Cannot subscribe: no channel is named');
    if (another === undefined && !isEnvelope) return createChannelFeed(only);
    return createMergedFeed({
      channels,
      form: isEnvelope ? envelopeForm : bareForm,
      formatCursor: this.#formatCursor,
    });
  }
}
