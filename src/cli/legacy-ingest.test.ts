import { describe, expect, it } from 'vitest';
import { loadSettings } from './config/index.js';
import { isLegacyIngest, translateLegacyIngest, withLegacyDefaults } from './legacy-ingest.js';

const translate = (text: string): string => translateLegacyIngest(text.split(' ')).join(' ');

const run = (): unknown => translateLegacyIngest(['ingest', '-s', 'x', '-h', 'authorization,secret,b']);

const load = (flag: string, env: Readonly<Record<string, string>> = {}): readonly unknown[] => {
  const flags = [
    { key: 'source.url', flag: '-u', value: 'http://127.0.0.1/' },
    { key: 'sink.kinesis.stream', flag, value: 'edits' },
  ] as const;
  const { settings, origins } = loadSettings({ verb: 'ingest', flags, env, cwd: '/nowhere' });
  const changed = withLegacyDefaults(settings, origins);
  return [changed['sink.kinesis.format'], changed['source.idleTimeoutMs']];
};

describe('translateLegacyIngest()', () => {
  it.each([
    ['ingest -u http://a -s x -r eu', 'ingest -u http://a -s x -r eu'],
    ['ingest -s x -rms 0 -rt 5000', 'ingest -s x --reportms 0 --readtimeoutms 5000'],
    ['ingest -s x -rms=0', 'ingest -s x --reportms=0'],
    ['ingest -s x -h a,1,b,2', 'ingest -s x --source.headers a: 1 --source.headers b: 2'],
    ['ingest --stream=x --headers=a,1', 'ingest --stream=x --source.headers a: 1'],
    ['ingest -h', 'ingest -h'],
    ['ingest --url http://a -h', 'ingest --url http://a -h'],
    ['publish -s -h', 'publish -s -h'],
  ])('makes of "%s" "%s"', (typed, meant) => {
    expect(translate(typed)).toBe(meant);
  });

  it('keeps a value with spaces, and spaces after commas out of names', () => {
    const [name, value] = translateLegacyIngest(['ingest', '-s', 'x', '-h', 'a, Bearer t , b,2']).slice(-3);
    expect([name, value]).toEqual(['a: Bearer t', '--source.headers']);
  });

  it('refuses a name without a value, and shows nothing of it', () => {
    expect(run).toThrow(expect.objectContaining({ code: 'bad-value' }) as Error);
    expect(run).not.toThrow(/secret/);
    expect(() => translateLegacyIngest(['ingest', '-s', 'x', '-h'])).toThrow('without a value');
  });
});

describe('isLegacyIngest()', () => {
  it.each([
    [['ingest', '-s', 'x'], true],
    [['ingest', '--region=x'], true],
    [['ingest', '-rt', '1'], true],
    [['ingest', '--sink.kinesis.stream', 'x'], false],
    [['ingest', '-h'], false],
    [['serve', '-s'], false],
  ])('%j: %s', (argv, expected) => {
    expect(isLegacyIngest(argv)).toBe(expected);
  });
});

describe('withLegacyDefaults()', () => {
  it('is what that system did: the data as it is, and no end for silence', () => {
    expect(load('-s')).toEqual(['data', 0]);
    expect(load('--stream')).toEqual(['data', 0]);
    expect(load('--sink.kinesis.stream')).toEqual([undefined, 300_000]);
  });

  it('leaves what was asked for', () => {
    expect(load('-s', { TIDEGATE_FORMAT: 'envelope', TIDEGATE_SOURCE_IDLE_TIMEOUT_MS: '1m' })).toEqual([
      undefined,
      60_000,
    ]);
  });
});
