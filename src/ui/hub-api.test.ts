import { describe, expect, it } from 'vitest';
import { readChannelPage } from './hub-api.js';

describe('readChannelPage()', () => {
  it('reads what the hub lists and whether there is more', () => {
    const listed = { name: 'a', subscribers: 2, events: 3, bytes: 4, eventsPerSecond: 0.5, isEnded: true };
    expect(readChannelPage({ channels: [{ ...listed, head: '~x-1' }], next: 'a' })).toEqual({
      channels: [listed],
      hasMore: true,
    });
  });

  it('reads anything else as an empty list or zeros', () => {
    expect(readChannelPage('nonsense')).toEqual({ channels: [], hasMore: false });
    expect(readChannelPage({ channels: [null, 1, {}, { name: 'b' }] }).channels).toEqual([
      { name: 'b', subscribers: 0, events: 0, bytes: 0, eventsPerSecond: 0, isEnded: false },
    ]);
  });
});
