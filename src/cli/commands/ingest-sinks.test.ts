import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { answer, BatchReceiver, signatureOf } from '../../../test/support/batch-receiver.js';
import { start } from '../../../test/support/cli.js';
import { hasRedis, startRedis } from '../../../test/support/redis-server.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { serve, startUpstream } from '../../../test/support/upstream.js';

const THREE = [1, 2, 3].map((n) => `id: ${n}\ndata: {"n":${n}}\n\n`).join('');
const LINES = ['{"n":1}', '{"n":2}', '{"n":3}'];

describe('tidegate ingest', () => {
  it('writes events to standard output, and everything else beside it', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve(THREE));
    await using ingest = start(['ingest', '--url', upstream.url, '--sink.stdout'], { cwd: folder.path });
    expect(await ingest.exit).toBe(0);
    expect(ingest.stdout.text.split('\n')).toEqual([...LINES, '']);
    expect(ingest.stderr.text).toContain('Pipeline finished');
  });

  it('posts to an HTTP endpoint, signed with a secret of a file, and keeps what it refuses', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve(THREE));
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(answer(422));
    await using ingest = start(
      [
        'ingest',
        '--url',
        upstream.url,
        '--sink.http.url',
        receiver.url,
        '--sink.http.events',
        '1',
        '--sink.http.headers',
        'authorization: Bearer hunter2',
        '--sink.http.format',
        'envelope',
      ],
      { cwd: folder.path, env: { TIDEGATE_SINK_HTTP_SECRET: 'a secret of 24 bytes, or more' } },
    );
    expect(await ingest.exit).toBe(0);
    expect(receiver.lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['2', '3']);
    const [request] = receiver.received;
    expect(request?.headers['authorization']).toBe('Bearer hunter2');
    const signature = request && signatureOf(request, Buffer.from('a secret of 24 bytes, or more'));
    expect(request?.headers['webhook-signature']).toBe(signature);
    const dead = await readFile(join(folder.path, 'tidegate-data', 'ingest.dead-letters.ndjson'), 'utf8');
    expect(JSON.parse(dead)).toMatchObject({ eventId: '1', lastErrorCode: 'http-422', sink: 'http' });
    expect(ingest.stdout.text + ingest.stderr.text + dead).not.toMatch(/hunter2|a secret|in-the-url/);
  });

  it.skipIf(!hasRedis)('goes to Redis and files at once, with its checkpoint in Redis [redis]', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve(THREE), (response) => response.writeHead(204).end());
    await using server = await startRedis();
    const args = [
      '--sink.redis.url',
      server.url,
      '--sink.redis.stream',
      'events',
      '--checkpoint.redis.url',
      server.url,
    ];
    await using ingest = start(['ingest', '--url', upstream.url, '--sink.file.dir', 'a', ...args], {
      cwd: folder.path,
    });
    expect(await ingest.exit).toBe(0);
    const redis = new Redis(server.url);
    expect(await redis.xlen('events')).toBe(3);
    const saved = JSON.parse((await redis.hget('tidegate:checkpoint:ingest', 'checkpoint')) ?? '') as object;
    expect(saved).toMatchObject({ pipeline: 'ingest', lastEventId: '3' });
    redis.disconnect();
    expect((await readdir(join(folder.path, 'a'))).filter((name) => name.endsWith('.ndjson'))).toHaveLength(1);
  });

  it('keeps the spool in a folder with the name of the pipeline', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve(THREE), (response) => response.writeHead(204).end());
    const args = ['--spool.dir', 'spool', '--pipeline.name', 'news', '--sink.stdout'];
    await using ingest = start(['ingest', '--url', upstream.url, ...args], { cwd: folder.path });
    expect(await ingest.exit).toBe(0);
    expect(ingest.stdout.text.split('\n')).toEqual([...LINES, '']);
    expect(await readdir(join(folder.path, 'spool', 'news'))).toContain('cursors.json');
  });

  it.each([
    ['--sink.redis.url redis://a', 'give --sink.redis.stream KEY'],
    ['--sink.stdout --sink.redis.stream a', 'without sink.redis.url'],
    ['--sink.redis.url redis://a --sink.redis.stream a --sink.redis.channel b', 'only one of the two'],
    ['--sink.http.url http://user:hunter2@a/', 'credentials belong into sink.http.headers'],
    ['--sink.http.url http://a/ --sink.http.secret whsec_hunter2!', 'no base64'],
    ['--sink.stdout --sink.http.events 1', 'without sink.http.url'],
    ['--sink.stdout --spool.diskBytes 1GiB', 'without spool.dir'],
    ['--sink.stdout --checkpoint.file a --checkpoint.redis.url redis://:hunter2@a', 'only one of the two'],
    ['--sink.redis.url http://hunter2', 'such as redis://'],
  ])('refuses "%s"', async (flags, said) => {
    await using ingest = start(['ingest', '--url', 'http://127.0.0.1:9/', ...flags.split(' ')]);
    expect(await ingest.exit).toBe(2);
    expect(ingest.stderr.text).toContain(said);
    expect(ingest.stderr.text).not.toContain('hunter2');
  });
});
