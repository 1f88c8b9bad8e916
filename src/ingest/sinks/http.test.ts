import { describe, expect, it } from 'vitest';
import { spooled } from '../../../test/conformance/sink.js';
import { answer, BatchReceiver, hang, signatureOf, tear } from '../../../test/support/batch-receiver.js';
import type { BatchAnswer } from '../../../test/support/batch-receiver.js';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { JumpingClock } from '../../../test/support/clocks.js';
import { MemoryDeadLetters } from '../../../test/support/memory-dead-letters.js';
import { createHttpSink } from './http.js';
import type { HttpSinkOptions } from './http.js';
import { judgeStatus } from './http-verdict.js';

const never = new AbortController().signal;
const KEY = Buffer.alloc(32, 7);
const SECRET = `whsec_${KEY.toString('base64')}`;

async function openSink(receiver: BatchReceiver, options: Partial<HttpSinkOptions> = {}) {
  const logger = createCapturingLogger();
  const clock = new JumpingClock();
  const deadLetters = new MemoryDeadLetters();
  const sink = createHttpSink({ url: receiver.url, deadLetters, clock, ...options });
  await sink.open({ pipeline: 'p', runId: 'run', logger });
  return { sink, logger, clock, deadLetters };
}

const batch = (count: number) => Array.from({ length: count }, (_, at) => spooled(at + 1, `{"n":${at + 1}}`));

/** Refuses whatever holds one of `numbers`. */
const refuse =
  (status: number, ...numbers: readonly number[]): BatchAnswer =>
  (response, { lines }) => {
    const isBad = lines.some((line) => numbers.includes((JSON.parse(line) as { n: number }).n));
    if (isBad) response.writeHead(status).end();
    return isBad;
  };

describe('createHttpSink()', () => {
  it('posts a batch as signed NDJSON', async () => {
    await using receiver = await BatchReceiver.start();
    const { sink } = await openSink(receiver, { secret: SECRET, headers: { Authorization: 'Bearer t' } });
    expect(await sink.write(batch(2), never)).toEqual({ refused: 0 });
    const [request] = receiver.received;
    expect(request?.text).toBe('{"n":1}\n{"n":2}\n');
    expect(request?.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      authorization: 'Bearer t',
      'webhook-id': 'run_1-2',
      'user-agent': expect.stringContaining('tidegate/') as string,
    });
    expect(request && signatureOf(request, KEY)).toBe(request?.headers['webhook-signature']);
  });

  it('leaves the signature out where there is no secret, and warns of a short one', async () => {
    await using receiver = await BatchReceiver.start();
    const unsigned = await openSink(receiver);
    await unsigned.sink.write(batch(1), never);
    expect(receiver.received[0]?.headers).not.toHaveProperty('webhook-signature');
    const { logger } = await openSink(receiver, { secret: 'short' });
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'warn', fields: { bytes: 5 } }));
  });

  it('posts events with their ids as envelopes', async () => {
    await using receiver = await BatchReceiver.start();
    const { sink } = await openSink(receiver, { format: 'envelope' });
    await sink.write([spooled(1, 'x', { id: 'a', type: 't' })], never);
    expect(JSON.parse(receiver.lines[0] ?? '')).toMatchObject({ id: 'a', type: 't', data: 'x' });
  });

  it.each([
    ['a 503', answer(503)],
    ['a 500', answer(500)],
    ['a 429', answer(429)],
    ['a 401, which somebody must mend', answer(401)],
    ['a 404, which somebody must mend', answer(404)],
    ['a redirect, which is not followed', answer(307, { location: '/elsewhere' })],
    ['a torn connection', tear],
  ])('tries again under the same id after %s', async (_, fault) => {
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(fault, fault);
    const { sink, deadLetters, logger } = await openSink(receiver);
    expect(await sink.write(batch(3), never)).toEqual({ refused: 0, retries: 2 });
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual(Array(3).fill('run_1-3'));
    expect(receiver.received.every(({ path }) => path === '/batches?key=in-the-url')).toBe(true);
    expect([receiver.lines.length, deadLetters.letters.length]).toEqual([3, 0]);
    expect(JSON.stringify(logger.lines)).not.toContain('in-the-url');
  });

  it('gives up on an answer that does not come, and tries again', async () => {
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(hang);
    const { sink, logger } = await openSink(receiver, { timeoutMs: 50 });
    expect(await sink.write(batch(1), never)).toEqual({ refused: 0, retries: 1 });
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ error: 'timeout' }) as object }),
    );
  });

  it('honours Retry-After, within reason', async () => {
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(answer(429, { 'retry-after': '40' }), answer(503, { 'retry-after': '99999999' }));
    const { sink, clock } = await openSink(receiver);
    await sink.write(batch(1), never);
    expect(clock.delays).toEqual([40_000, 300_000]);
  });

  it.each([400, 413, 422])('finds what a %i is about, makes it a dead letter and delivers the rest', async (status) => {
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(...Array<BatchAnswer>(20).fill(refuse(status, 3, 7)));
    const { sink, deadLetters, logger } = await openSink(receiver);
    deadLetters.failures = 1;
    expect(await sink.write(batch(8), never)).toEqual({ refused: 2 });
    expect(receiver.lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual([1, 2, 4, 5, 6, 8]);
    expect(deadLetters.letters.map(({ event, errorCode, sink: name }) => [event.id, errorCode, name])).toEqual([
      ['id-3', `http-${status}`, 'http'],
      ['id-7', `http-${status}`, 'http'],
    ]);
    expect(logger.lines.map(({ fields }) => fields['code'])).toContain(`http-${status}`);
  });

  it('rejects when it is told to stop', async () => {
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(hang);
    const { sink } = await openSink(receiver);
    const stop = new AbortController();
    const write = sink.write(batch(1), stop.signal);
    await receiver.until(() => receiver.received.length === 1);
    stop.abort();
    await expect(write).rejects.toThrow('aborted');
  });

  it.each([
    [{ url: 'ftp://example.com/?secret' }],
    [{ url: 'http://user:secret@example.com/' }],
    [{ headers: { 'x-a': 'secret\r\nb: c' } }],
    [{ secret: 'whsec_secret!' }],
  ])('refuses what cannot be used, without showing it: %j', (options) => {
    const create = () => createHttpSink({ url: 'http://a/', deadLetters: new MemoryDeadLetters(), ...options });
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-option' }) as Error);
    expect(create).not.toThrow(/secret@|secret\r|secret!|\?secret/);
  });
});

describe('judgeStatus()', () => {
  it.each([
    [200, 'taken'],
    [204, 'taken'],
    [302, 'settings'],
    [401, 'settings'],
    [404, 'settings'],
    [400, 'content'],
    [409, 'content'],
    [413, 'content'],
    [422, 'content'],
    [408, 'later'],
    [425, 'later'],
    [429, 'later'],
    [500, 'later'],
    [503, 'later'],
  ])('%i is %s', (status, verdict) => {
    expect(judgeStatus(status)).toBe(verdict);
  });
});
