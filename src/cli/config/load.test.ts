import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSettings } from './load.js';
import type { Environment, GivenFlag } from './load.js';
import type { VerbName } from './setting.js';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tidegate-config-'));
});
afterAll(() => rmSync(cwd, { recursive: true }));

interface Given {
  readonly verb?: VerbName;
  readonly flags?: readonly GivenFlag[];
  readonly env?: Environment;
  readonly file?: string;
}

function load({ verb = 'serve', flags = [], env = {}, file }: Given): ReturnType<typeof loadSettings> {
  rmSync(join(cwd, 'tidegate.yaml'), { force: true });
  if (file !== undefined) writeFileSync(join(cwd, 'tidegate.yaml'), file);
  return loadSettings({ verb, flags, env, cwd });
}

const urlOf = (env: Environment): string | undefined => load({ env }).settings['redis.url'];
const origin = (value: string): GivenFlag => ({ key: 'http.cors.origins', flag: '--http.cors.origins', value });
const port = (value: string): GivenFlag => ({ key: 'http.port', flag: '--port', value });

describe('loadSettings()', () => {
  it('takes the default, then the file, the legacy variable, the variable and the flag over it', () => {
    const file = 'http:\n  port: 1\n';
    const legacy = { HTTP_PORT: '2' };
    const env = { ...legacy, TIDEGATE_HTTP_PORT: '3' };
    const taken = [{}, { file }, { file, env: legacy }, { file, env }, { file, env, flags: [port('4')] }].map(
      (given) => load(given).settings['http.port'],
    );
    expect(taken).toEqual([8080, 1, 2, 3, 4]);
  });

  it('reads units, lists, booleans and dotted keys', () => {
    const file = [
      'history.ageMs: 1.5h',
      'history: {bytes: 8MiB}',
      'http: {cors: {origins: [https://a.example, "*"]}}',
      'source:',
      '  headers:',
      '    - Authorization: Bearer a,b',
      '    - "X-One: 1"',
      'sink.file.gzip: yes',
      'hub:',
    ].join('\n');
    const { settings } = load({ file, env: { TIDEGATE_HISTORY_TOTAL_BYTES: '1GiB' } });
    expect(settings['history.ageMs']).toBe(5_400_000);
    expect(settings['history.bytes']).toBe(8 * 1024 ** 2);
    expect(settings['history.totalBytes']).toBe(1024 ** 3);
    expect(settings['http.cors.origins']).toEqual(['https://a.example', '*']);
    expect(settings['source.headers']).toEqual(['Authorization: Bearer a,b', 'X-One: 1']);
    expect(settings['sink.file.gzip']).toBe(true);
  });

  it('collects a repeated list flag and lets the last of any other count', () => {
    const { settings } = load({ flags: [origin('http://a,http://b'), origin('http://c'), port('1'), port('2')] });
    expect(settings['http.cors.origins']).toEqual(['http://a', 'http://b', 'http://c']);
    expect(settings['http.port']).toBe(2);
  });

  it("understands the seeds' variables", () => {
    const env = { APP_PORT: '9', APP_MODE: 'debug', HTTP_SERVER_ENABLE_CORS: 'true' };
    const { settings } = load({ env });
    expect(settings['http.port']).toBe(9);
    expect(settings['log.level']).toBe('debug');
    expect(settings['http.cors.origins']).toEqual(['*']);
    expect(load({ env: { APP_MODE: 'production' } }).settings['log.level']).toBe('info');
  });

  it("makes a URL of the notification service's host and port", () => {
    expect(urlOf({ REDIS_HOST: 'redis' })).toBe('redis://redis:6379');
    expect(urlOf({ REDIS_HOST: '10.0.0.1', REDIS_PORT: '6380' })).toBe('redis://10.0.0.1:6380');
    expect(urlOf({ REDIS_HOST: '::1', REDIS_PORT: '' })).toBe('redis://[::1]:6379');
    expect(urlOf({ REDIS_HOST: 'redis', TIDEGATE_REDIS_URL: 'rediss://other' })).toBe('rediss://other');
    // Kubernetes sets it for a service called redis.
    expect(urlOf({ REDIS_PORT: 'tcp://10.0.0.1:6379' })).toBeUndefined();
  });

  it('takes the defaults of a preset, and whatever is set over them', () => {
    const env = { JWT_SECRET: 's', REDIS_HOST: 'redis', APP_NAME: 'notes', TIDEGATE_PRESET: 'notifications' };
    const { settings } = load({ env });
    expect(settings).toMatchObject({
      auth: 'jwt',
      'auth.jwt.secret': 's',
      'auth.jwt.connections': 'read',
      'http.host': '0.0.0.0',
      'log.name': 'notes',
      'redis.bridgeUsers': true,
    });
    const inFile = load({ env: { ...env, TIDEGATE_PRESET: '' }, file: 'preset: notifications\nhttp.host: 127.0.0.1' });
    expect(inFile.settings).toMatchObject({ auth: 'jwt', 'http.host': '127.0.0.1' });
  });

  it('leaves alone what is empty or concerns another verb', () => {
    expect(load({ env: { TIDEGATE_HTTP_PORT: '' } }).settings['http.port']).toBe(8080);
    expect(load({ verb: 'subscribe', env: { HTTP_PORT: 'tcp://10.0.0.1:80' } }).settings.url).toMatch(/^http/);
  });

  it('has a default of its own where a verb needs one', () => {
    expect(load({ verb: 'replay' }).settings['http.port']).toBe(8090);
    expect(load({ verb: 'demo' }).settings.rate).toBe('5');
  });

  it.each([
    [
      'a bad flag',
      { flags: [port('x')] },
      'bad-value',
      'Cannot use "x" for http.port (flag --port): it must be a whole',
    ],
    ['a bad variable', { env: { HTTP_PORT: '70000' } }, 'bad-value', '(variable HTTP_PORT)'],
    ['a bad value in the file', { file: '\nhttp:\n  port: [1]\n' }, 'bad-value', '(tidegate.yaml:3)'],
    ['a bad duration', { env: { TIDEGATE_HUB_RETRY_MS: '2 weeks' } }, 'bad-value', 'or such as 30s'],
    [
      'a typo in the file',
      { file: 'http:\n  prot: 1\n' },
      'unknown-key',
      'tidegate.yaml:2): there is no such setting (did you mean http.port?)',
    ],
    ['a foreign key', { file: 'zebra: 1' }, 'unknown-key', 'Cannot use the key "zebra" (tidegate.yaml:1)'],
    ['a flag in the file', { file: 'loop: true' }, 'unknown-key', 'it is a flag only'],
    ['a key twice', { file: 'http: {port: 1}\nhttp.port: 2' }, 'contradiction', 'twice (tidegate.yaml:2)'],
    ['no YAML', { file: 'http: {port' }, 'bad-value', 'Cannot read tidegate.yaml:1'],
    ['a list as a file', { file: '- 1' }, 'bad-value', 'it must hold keys and values'],
    [
      'a mistake that concerns another verb',
      { verb: 'publish', file: 'hub: {retryMs: x}' },
      'bad-value',
      'hub.retryMs',
    ],
    [
      'workers on Redis',
      { env: { TIDEGATE_REDIS_URL: 'redis://h', TIDEGATE_WORKERS: '2' } },
      'contradiction',
      'one hub per core',
    ],
    [
      'a host of Redis with a port in it',
      { env: { REDIS_HOST: 'redis:6380' } },
      'contradiction',
      'the port is REDIS_PORT',
    ],
    [
      'what is no port of Redis',
      { env: { REDIS_HOST: 'redis', REDIS_PORT: 'tcp://10.0.0.1:6379' } },
      'contradiction',
      'Cannot use REDIS_PORT with REDIS_HOST',
    ],
    [
      'workers on a Redis of the other name',
      { env: { REDIS_HOST: 'redis', TIDEGATE_WORKERS: '2' } },
      'contradiction',
      'redis.url (variable REDIS_HOST)',
    ],
    [
      'a bridge without a Redis',
      { env: { TIDEGATE_PRESET: 'notifications', JWT_SECRET: 's' } },
      'missing-value',
      'give --redis.url URL, or REDIS_HOST',
    ],
    [
      'a bridge to users whom nobody knows',
      { env: { REDIS_HOST: 'redis', TIDEGATE_REDIS_BRIDGE_USERS: 'true' } },
      'contradiction',
      'only with auth jwt',
    ],
    [
      'a preset without its secret',
      { env: { TIDEGATE_PRESET: 'notifications', REDIS_HOST: 'redis' } },
      'missing-value',
      '--auth.jwt.secret',
    ],
    ['a preset of nobody', { env: { TIDEGATE_PRESET: 'x' } }, 'bad-value', 'it must be notifications'],
    ['an open hub without auth', { env: { TIDEGATE_HTTP_HOST: '0.0.0.0' } }, 'contradiction', 'add --insecure'],
    [
      'an event larger than a body',
      { file: 'limits: {eventBytes: 2KiB, bodyBytes: 1KiB}' },
      'contradiction',
      'tidegate.yaml:1',
    ],
    ['ingest without a source', { verb: 'ingest' }, 'missing-value', '--source.url'],
    ['ingest without a sink', { verb: 'ingest', file: 'source.url: http://x' }, 'missing-value', '--sink.file.dir'],
    [
      'a hub sink without a channel',
      { verb: 'ingest', file: 'source.url: http://x\nsink.hub.url: http://y' },
      'missing-value',
      '--sink.hub.channel',
    ],
    [
      'a region without a stream',
      { verb: 'ingest', file: 'source.url: http://x\nsink.file.dir: a\nsink.kinesis.region: eu-west-1' },
      'missing-value',
      'sink.kinesis.region (tidegate.yaml:3) without a stream',
    ],
    [
      'records that no request holds',
      { verb: 'ingest', file: 'source.url: http://x\nsink.kinesis: {stream: s, recordBytes: 6MiB}' },
      'contradiction',
      '6291456 bytes are more than 5242880',
    ],
    [
      'a partition key of nothing',
      { verb: 'ingest', file: 'sink.kinesis.partitionKey: meta/id' },
      'bad-value',
      'random, type, id or a JSON pointer',
    ],
    [
      'a file that is not there',
      { env: { TIDEGATE_CONFIG: 'no.yaml' } },
      'unreadable-file',
      '"no.yaml": there is no such file',
    ],
  ] satisfies readonly (readonly [string, Given, string, string])[])('refuses %s', (_name, given, code, sentence) => {
    let thrown: unknown;
    try {
      load(given);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ name: 'CliError', code });
    expect((thrown as Error).message).toContain(sentence);
    expect((thrown as Error).message).not.toContain('\n');
  });

  it('allows an open hub where that is meant', () => {
    const env = { TIDEGATE_HTTP_HOST: '0.0.0.0', TIDEGATE_INSECURE: 'true' };
    expect(load({ env }).settings.insecure).toBe(true);
  });

  it('never shows the value of a secret', () => {
    const flags = [{ key: 'source.headers', flag: '--header', value: 'hunter2' }] as const;
    expect(() => load({ verb: 'demo', flags })).toThrow('Cannot use this value for source.headers (flag --header)');
  });

  it('says which setting of a sink is of no use, unless some pipeline has that sink', () => {
    const flags = [
      { key: 'sink.s3.prefix', flag: '--sink.s3.prefix', value: 'news/' },
      { key: 'sink.stdout', flag: '--sink.stdout', value: 'true' },
    ] as const;
    const env = { TIDEGATE_SOURCE_STDIN: 'true' };
    expect(load({ verb: 'ingest', flags, env }).warnings).toEqual([
      'The setting sink.s3.prefix (flag --sink.s3.prefix) is not used: there is no sink.s3.bucket',
    ]);
    const bucket = { ...env, TIDEGATE_SINK_S3_BUCKET: 'archive' };
    expect(load({ verb: 'ingest', flags, env: bucket }).warnings).toEqual([]);
    const file = 'pipelines: {a: {source.file: x, sink.s3.bucket: archive}, b: {source.file: y}}';
    expect(load({ verb: 'ingest', flags, file }).warnings).toEqual([]);
  });

  it('says when a variable is a near miss', () => {
    expect(load({ env: { TIDEGATE_HTTP_PROT: '1' } }).warnings).toEqual([
      'The variable TIDEGATE_HTTP_PROT is not used; did you mean TIDEGATE_HTTP_PORT?',
    ]);
    expect(load({ env: { TIDEGATE_SERVICE_HOST: '10.0.0.1' } }).warnings).toEqual([]);
  });
});
