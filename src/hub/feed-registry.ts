import type { Channel } from './channel.js';
import { HubError } from './errors.js';
import { createChannelFeed, createMergedFeed } from './feed.js';
import type { Feed } from './feed.js';
import { bareForm, envelopeForm } from './form.js';
import type { MemoryStore } from './store.js';

/** The feeds that are followed: one for all subscribers of the same channels in the same form. */
export class FeedRegistry {
  readonly #store: MemoryStore;
  readonly #feeds = new Map<string, Feed>();
  readonly #keys = new Map<Feed, string>();

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  /** The feed; `release` it when its last subscriber has gone, or where it gets none. */
  open(names: readonly string[], isEnvelope: boolean): Feed {
    const sorted = names.toSorted();
    const key = JSON.stringify([isEnvelope, ...sorted]);
    const found = this.#feeds.get(key);
    if (found !== undefined) return found;
    const feed = this.#create(this.#openChannels(sorted), isEnvelope);
    this.#feeds.set(key, feed);
    this.#keys.set(feed, key);
    for (const channel of feed.channels) channel.addFeed(feed);
    return feed;
  }

  release(feed: Feed): void {
    const key = this.#keys.get(feed);
    if (key === undefined || feed.subscribers.size > 0) return;
    this.#keys.delete(feed);
    this.#feeds.delete(key);
    for (const channel of feed.channels) {
      channel.removeFeed(feed);
      this.#store.release(channel);
    }
  }

  #openChannels(names: readonly string[]): readonly Channel[] {
    const channels: Channel[] = [];
    try {
      for (const name of names) channels.push(this.#store.open(name));
      return channels;
    } catch (error) {
      for (const channel of channels) this.#store.release(channel);
      throw error;
    }
  }

  #create(channels: readonly Channel[], isEnvelope: boolean): Feed {
    const [only, another] = channels;
    if (only === undefined) throw new HubError('missing-channel', 'Cannot subscribe: no channel is named');
    if (another === undefined && !isEnvelope) return createChannelFeed(only);
    return createMergedFeed({
      channels,
      form: isEnvelope ? envelopeForm : bareForm,
      formatCursor: (offset) => this.#store.formatCursor(offset),
    });
  }
}
