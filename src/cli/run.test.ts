import { describe, expect, it } from 'vitest';
import { start } from '../../test/support/cli.js';
import type { TestRunOptions } from '../../test/support/cli.js';
import { keysOf } from './config/index.js';

async function run(line: string, options: TestRunOptions = {}): Promise<{ code: number; out: string; err: string }> {
  await using cli = start(line.split(' ').filter(Boolean), options);
  const code = await cli.exit;
  return { code, out: cli.stdout.text, err: cli.stderr.text };
}

const VERBS = ['serve', 'ingest', 'publish', 'subscribe', 'record', 'replay', 'demo', 'completion'];

describe('runCli()', () => {
  it.each(['', '--help', '-h', 'help'])('prints help for "%s"', async (line) => {
    const { code, out, err } = await run(line);
    expect([code, err]).toEqual([0, '']);
    for (const verb of VERBS) expect(out).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
  });

  it.each(['--version', '-V'])('prints the version for %s', async (line) => {
    const { code, out } = await run(line);
    expect([code, /^\d+\.\d+\.\d+\S*\n$/.test(out)]).toEqual([0, true]);
  });

  it('makes the help of a verb from the table: flags, variables, defaults', async () => {
    const { code, out } = await run('serve --help');
    expect(code).toBe(0);
    expect(out).toMatch(/-p, --http\.port, --port <n>\n? +The port to listen on/);
    expect(out).toContain('[default 8080; TIDEGATE_HTTP_PORT]');
    expect(out).toContain('[default 5m; TIDEGATE_HISTORY_AGE_MS]');
    expect(out).not.toContain('sink.file');
    expect((await run('help serve')).out).toBe(out);
    expect((await run('start --help')).out).toBe(out);
    expect((await run('replay --help')).out).toContain('[default 8090;');
  });

  it('shows of a verb with many options those to begin with, and the others where they are asked for', async () => {
    const { out } = await run('ingest --help');
    expect(out.split('\n').length).toBeLessThan(75);
    expect(out.indexOf('Examples:')).toBeLessThan(out.indexOf('--sink.s3.bucket'));
    expect(out).not.toContain('--sink.kinesis.order');
    const all = (await run('ingest --help all')).out;
    for (const key of keysOf('ingest')) expect(all).toContain(`--${key}`);
    const s3 = await run('ingest --help s3');
    expect([s3.code, s3.out]).toEqual([0, (await run('help ingest s3')).out]);
    expect(s3.out).toContain('--checkpoint.s3.key');
    expect(s3.out).not.toContain('--sink.kinesis');
    expect((await run('plan --help')).out).toContain('--sample');
    expect((await run('ingest --help tide')).out).toBe(
      'No option of ingest has tide in its name; see tidegate ingest --help all\n',
    );
  });

  it('answers a missing option of the ingest on Fargate as that did: a message, its help, and 1', async () => {
    const { code, err } = await run('ingest -s edits');
    expect(code).toBe(1);
    expect(err).toMatch(/^error Cannot ingest without -u URL and -r REGION \[missing-value\]\n\nUsage:\n/);
    expect(err.split('\n').length).toBeLessThan(20);
    expect((await run('ingest -s edits -rt')).err).toContain('Cannot use --readtimeoutms without a value');
  });

  it('keeps help within the width of the terminal, but for what cannot be broken', async () => {
    const { out } = await run('subscribe --help');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it.each([
    ['sevre', 'unknown-verb', 'Cannot run "sevre": there is no such verb (did you mean serve?)'],
    [
      'serve --htpp.port 1',
      'unknown-flag',
      'Cannot use --htpp.port: there is no such flag (did you mean --http.port?)',
    ],
    ['serve --ageMs 1', 'unknown-flag', '(did you mean --history.ageMs?)'],
    ['serve --port', 'missing-value', 'Cannot use --port without a value'],
    ['serve --port x', 'bad-value', 'Cannot use "x" for http.port (flag --port): it must be a whole number'],
    ['serve extra', 'too-many-arguments', 'see tidegate serve --help'],
    ['ingest https://a.example/sse', 'too-many-arguments', 'write --url before "https://a.example/sse"'],
    ['ingest --sink.s3 b', 'unknown-flag', '(did you mean --sink.s3.bucket?)'],
    ['publish', 'missing-argument', 'Cannot run without CHANNEL'],
    ['completion tcsh', 'bad-value', 'Cannot use "tcsh": allowed choices are bash, zsh, fish'],
    ['serve --host 0.0.0.0', 'contradiction', 'with auth none'],
    ['subscribe a --last 1 --since 5m', 'contradiction', 'last (flag --last) together with since (flag --since)'],
    ['publish a --ndjson --sse', 'contradiction', 'only one of the two can hold'],
    ['publish a x --ndjson', 'contradiction', 'reads standard input'],
    ['publish a --id 1', 'contradiction', 'ids would repeat'],
    ['replay x --loop --end close', 'contradiction', 'a stream that loops has no end'],
    ['publish a/b x', 'invalid-channel', 'Cannot use channel "a/b"'],
    ['subscribe a/b', 'invalid-channel', 'Cannot use channel "a/b"'],
    ['publish a x -u http://me:hunter2@127.0.0.1:9', 'invalid-url', 'Cannot use credentials in a URL'],
    ['subscribe a -u http://me:hunter2@127.0.0.1:9', 'invalid-url', 'Cannot use credentials in a URL'],
    ['record http://127.0.0.1:9/ y -H token:\u2603', 'bad-value', 'Cannot send header "token": it is no HTTP header'],
    ['record ftp://x y', 'bad-value', 'it must be an http:// or https:// URL'],
  ])('refuses "%s" with exit code 2', async (line, code, sentence) => {
    const result = await run(line);
    expect(result.code).toBe(2);
    expect(result.out).toBe('');
    expect(result.err).toContain(sentence);
    expect(result.err).toMatch(new RegExp(`^error Cannot .*\\[${code}\\]\\n$`));
  });

  it('answers a failure with 1 and one sentence, and with the stack at debug', async () => {
    const line = 'replay /nowhere/at-all.sse';
    const plain = await run(line);
    expect(plain.code).toBe(1);
    expect(plain.err).toBe(
      'error Cannot read "/nowhere/at-all.sse": there is no such file (ENOENT) [unreadable-file]\n',
    );
    expect((await run(`${line} --log.level debug`)).err).toContain('\n    at ');
  });

  it('names a variable that is a near miss', async () => {
    const { err } = await run('replay /nowhere', { env: { TIDEGATE_LOG_LEVLE: 'debug' } });
    expect(err).toContain('note The variable TIDEGATE_LOG_LEVLE is not used; did you mean TIDEGATE_LOG_LEVEL?');
  });

  it('uses colour on a terminal only, and not with NO_COLOR', async () => {
    const escape = '\u001B[';
    expect((await run('--help', { isTTY: true })).out).toContain(escape);
    expect((await run('--help', { isTTY: true, env: { NO_COLOR: '1' } })).out).not.toContain(escape);
    expect((await run('--help')).out).not.toContain(escape);
    expect((await run('--help', { env: { FORCE_COLOR: '1' } })).out).toContain(escape);
  });
});
