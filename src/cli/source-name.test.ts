import { describe, expect, it } from 'vitest';
import { loadSettings } from './config/index.js';
import { nameOfSource } from './source-name.js';

const REDIS = { key: 'source.redis.url', value: 'rediss://ada:hunter2@127.0.0.1:6380/3?x=hunter2' } as const;

describe('nameOfSource()', () => {
  it.each([
    ['https://127.0.0.1/a', [{ key: 'source.url', value: 'https://ada:hunter2@127.0.0.1/a?token=hunter2' }]],
    ['feeds/in.sse.gz', [{ key: 'source.file', value: 'feeds/in.sse.gz' }]],
    ['stdin', [{ key: 'source.stdin', value: 'true' }]],
    ['rediss://127.0.0.1:6380/3 stream orders', [REDIS, { key: 'source.redis.stream', value: 'orders' }]],
    ['rediss://127.0.0.1:6380/3 channel news', [REDIS, { key: 'source.redis.channel', value: 'news' }]],
  ] as const)('says %s, without secrets', (name, given) => {
    const flags = [...given, { key: 'sink.file.dir', value: 'x' } as const].map(({ key, value }) => ({
      key,
      value,
      flag: '--x',
    }));
    const { settings } = loadSettings({ verb: 'ingest', flags, env: {}, cwd: '/nowhere' });
    expect(nameOfSource(settings)).toBe(name);
  });
});
