import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSettings } from './load.js';
import type { GivenFlag, LoadOptions } from './load.js';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tidegate-config-'));
});
afterAll(() => rmSync(cwd, { recursive: true }));

function load(file: string, options: Partial<LoadOptions> = {}): ReturnType<typeof loadSettings> {
  writeFileSync(join(cwd, 'tidegate.yaml'), file);
  return loadSettings({ verb: 'ingest', flags: [], env: {}, cwd, ...options });
}

const GOOD = `
source: {idleTimeoutMs: 60s}
format: envelope
pipelines:
  news:
    source.url: http://127.0.0.1:1/news
    sink: {file: {dir: ./news}}
  sport:
    source: {url: http://127.0.0.1:1/sport, idleTimeoutMs: 5s}
    sink.file.dir: ./sport
    format: data
`;

const sink = '    sink.file.dir: x\n';
const block = (lines: string): string => `pipelines:\n  a:\n    source.url: http://127.0.0.1:1/\n${lines}`;

describe('loadSettings()', () => {
  it('gives each pipeline of a file what its block says, over what is said for all', () => {
    const { pipelines } = load(GOOD, { env: { TIDEGATE_SPOOL_EVENTS: '7' } });
    const said = pipelines?.map(({ name, settings }) => [
      name,
      settings['pipeline.name'],
      settings['source.url'],
      settings['source.idleTimeoutMs'],
      settings.format,
      settings['spool.events'],
    ]);
    expect(said).toEqual([
      ['news', 'news', 'http://127.0.0.1:1/news', 60_000, 'envelope', 7],
      ['sport', 'sport', 'http://127.0.0.1:1/sport', 5000, 'data', 7],
    ]);
    expect(pipelines?.[1]?.origins.get('format')).toMatchObject({ kind: 'file', line: 11 });
  });

  it('reads the Redis of all pipelines from a variable, as its URL is secret, and their streams from the file', () => {
    const file = `pipelines:\n  a:\n    source.redis.stream: a\n${sink}  b:\n    source.redis.channel: b\n${sink}`;
    const env = { TIDEGATE_SOURCE_REDIS_URL: 'redis://:hunter2@127.0.0.1:1' };
    const said = load(file, { env }).pipelines?.map(({ settings }) => settings['source.redis.url']);
    expect(said).toEqual([env.TIDEGATE_SOURCE_REDIS_URL, env.TIDEGATE_SOURCE_REDIS_URL]);
  });

  it('gives a pipeline the proxy of the environment where nothing else is said of it, and it asks by HTTP', () => {
    const file = [
      'pipelines:',
      '  plain: {source.url: "http://feed.example/", sink.stdout: true}',
      '  secure: {source.url: "https://feed.example/", sink.stdout: true}',
      '  inside: {source.url: "https://a.inside/", sink.stdout: true}',
      '  own: {source.url: "https://feed.example/", source.proxy: "http://own:3128", sink.stdout: true}',
      '  none: {source.url: "https://feed.example/", source.proxy: none, sink.stdout: true}',
      '  stdin: {source.stdin: true, sink.stdout: true}',
    ].join('\n');
    const env = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'inside' };
    const { pipelines = [] } = load(file, { env });
    expect(Object.fromEntries(pipelines.map(({ name, settings }) => [name, settings['source.proxy']]))).toEqual({
      plain: undefined,
      secure: 'http://proxy:3128',
      inside: undefined,
      own: 'http://own:3128',
      none: undefined,
      stdin: undefined,
    });
    expect(pipelines[1]?.origins.get('source.proxy')).toEqual({ kind: 'variable', name: 'HTTPS_PROXY' });
    expect(() => load(file, { env: { HTTPS_PROXY: 'socks5://proxy:1080' } })).toThrow(/variable HTTPS_PROXY/);
    const ofAll = load(file, { env: { ...env, TIDEGATE_SOURCE_PROXY: 'none' } }).pipelines;
    expect(ofAll?.[1]?.settings['source.proxy']).toBeUndefined();
  });

  it('has no pipelines where the file names none, nor for another verb', () => {
    const file = 'source.url: http://127.0.0.1:1/\nsink.file.dir: x\n';
    expect(load(file).pipelines).toBeUndefined();
    expect(load(GOOD, { verb: 'serve' }).pipelines).toBeUndefined();
  });

  const url: GivenFlag = { key: 'source.url', flag: '--url', value: 'http://127.0.0.1:1/' };
  it.each<[string, string, Partial<LoadOptions>, string, string]>([
    [
      'an unknown key, with its path, its line and the nearest name',
      'pipelines:\n  a:\n    source: {url: http://127.0.0.1:1/}\n    sink:\n      fiel: {dir: x}\n',
      {},
      'unknown-key',
      'Cannot use the key "pipelines.a.sink.fiel" (tidegate.yaml:5): there is no such setting',
    ],
    [
      'a misspelt key',
      'pipelines:\n  a:\n    sorce.url: http://127.0.0.1:1/\n',
      {},
      'unknown-key',
      '"pipelines.a.sorce.url" (tidegate.yaml:3): there is no such setting (did you mean source.url?)',
    ],
    ['a misspelt pipelines', 'pipeline:\n  a: {}\n', {}, 'unknown-key', 'did you mean pipelines?'],
    [
      'a setting of the process',
      block('    log.level: debug\n'),
      {},
      'unknown-key',
      'log.level is no setting of a pip',
    ],
    ['a setting of a hub', block('    http.port: 1\n'), {}, 'unknown-key', 'http.port is no setting of a pipeline'],
    ['a bad value', block('    spool.events: none\n'), {}, 'bad-value', 'spool.events (tidegate.yaml:4): it must be'],
    [
      'a key twice',
      block(`${sink}    sink: {file: {dir: y}}\n`),
      {},
      'contradiction',
      'pipelines.a.sink.file.dir twice',
    ],
    ['a bad name', 'pipelines:\n  "a/b": {}\n', {}, 'bad-value', 'Cannot name a pipeline "a/b" (tidegate.yaml:2)'],
    ['no settings', 'pipelines:\n  a:\n', {}, 'bad-value', 'Cannot use pipelines.a (tidegate.yaml:2)'],
    ['no pipelines', 'pipelines: []\n', {}, 'bad-value', 'Cannot use pipelines (tidegate.yaml:1)'],
    ['no pipelines any more', 'pipelines: {}\n', {}, 'bad-value', 'Cannot use pipelines (tidegate.yaml:1)'],
    ['one without a sink', block(''), {}, 'missing-value', '(pipeline a, tidegate.yaml:2)'],
    [
      'a source for all by flag',
      GOOD,
      { flags: [url] },
      'contradiction',
      'Cannot use source.url (flag --url) together',
    ],
    ['a name for all', `pipeline.name: x\n${GOOD}`, {}, 'contradiction', 'Cannot use pipeline.name'],
    ['a checkpoint for all', `checkpoint.file: x\n${GOOD}`, {}, 'contradiction', 'each needs its own'],
    [
      'one checkpoint for two',
      `${block(`${sink}    checkpoint.file: c\n`)}  b:\n    checkpoint.file: ./c\n    source.url: http://a/\n${sink}`,
      {},
      'contradiction',
      'checkpoint.file (tidegate.yaml:7) for pipeline b: it is that of a',
    ],
    [
      'two on standard input',
      `source.stdin: true\npipelines:\n  a:\n${sink}  b:\n    source.growing: false\n${sink}`,
      {},
      'contradiction',
      'Cannot use source.stdin (tidegate.yaml:1) for pipeline b: a reads standard input already',
    ],
    [
      'a stream of Redis for all by variable',
      GOOD,
      { env: { TIDEGATE_SOURCE_REDIS_STREAM: 'orders' } },
      'contradiction',
      'Cannot use source.redis.stream',
    ],
    ['a source twice', block(`${sink}    source.stdin: true\n`), {}, 'contradiction', 'only one of the two can hold'],
    ['one without a source', `pipelines:\n  a:\n${sink}`, {}, 'missing-value', 'Cannot ingest without a source'],
    [
      'a checkpoint beside leases',
      `leases.url: redis://127.0.0.1:1\n${block(`${sink}    checkpoint.file: c\n`)}`,
      {},
      'contradiction',
      'checkpoints are kept beside the leases',
    ],
    [
      'standard input beside leases',
      `leases.url: redis://127.0.0.1:1\npipelines:\n  a:\n    source.stdin: true\n${sink}`,
      {},
      'contradiction',
      'Cannot use source.stdin (tidegate.yaml:4) together with leases.url (tidegate.yaml:1): no other worker',
    ],
  ])('refuses %s', (_what, file, options, code, words) => {
    let thrown: unknown;
    try {
      load(file, options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code });
    expect((thrown as Error).message).toContain(words);
  });

  it('checks pipelines whatever verb reads the file', () => {
    const broken = 'pipelines:\n  a:\n    spool.events: none\n';
    expect(() => load(broken, { verb: 'serve' })).toThrow('spool.events');
  });
});
