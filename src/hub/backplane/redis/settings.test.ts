import { describe, expect, it } from 'vitest';

import { redisSettingsOf } from './settings.js';

describe('redisSettingsOf()', () => {
  it('reads which Redis channel goes to which channel', () => {
    const { bridgeChannels } = redisSettingsOf({ bridgeChannels: ['sse', 'a:b=prices', 'x=y=z'] });
    expect(bridgeChannels).toEqual([
      { redisChannel: 'sse', channel: 'sse' },
      { redisChannel: 'a:b', channel: 'prices' },
      { redisChannel: 'x=y', channel: 'z' },
    ]);
  });

  it.each([
    [['shop:channel:ann'], 'Cannot listen on Redis channel "shop:channel:ann"'],
    [['{tidegate}:events=a'], 'Cannot listen on Redis channel "{tidegate}:events"'],
    [['=a'], 'Cannot listen on Redis channel ""'],
    [['a=b', 'a=c'], 'one Redis channel for two channels'],
    [['a=tidegate.connections.shop'], "it is the hub's own"],
    [['a=b c'], 'b c'],
  ])('refuses %j', (bridgeChannels, sentence) => {
    expect(() => redisSettingsOf({ bridgeChannels })).toThrow(sentence);
  });

  it('refuses a prefix by which the hub would bridge itself', () => {
    expect(() => redisSettingsOf({ prefix: 'a:channel:b' })).toThrow('":channel:"');
  });
});
