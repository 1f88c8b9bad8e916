import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../../test/support/capturing-logger.js';
import { FakeS3 } from '../../../../test/support/fake-s3.js';
import type { DeadLetter, DeadLetters } from '../dead-letters.js';
import { createS3DeadLetters } from './s3-dead-letters.js';

const receivedAt = Date.UTC(2026, 10, 21, 7, 8, 9);

function letter(id: string, sink = 'kinesis'): DeadLetter {
  const event = { id, type: 'message', data: `data ${id}`, receivedAt };
  const failure = {
    attemptsMade: 0,
    errorCode: 'record-too-large',
    errorMessage: 'too large',
    endedAt: receivedAt + 5,
  };
  return { event, sink, rawData: Buffer.from(event.data), ...failure };
}

function create(fake: FakeS3, errorPrefix = 'sse-error/'): DeadLetters {
  const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'hush' };
  const { endpoint } = fake;
  return createS3DeadLetters({
    bucket: 'bucket',
    endpoint,
    credentials,
    pipeline: 'p',
    errorPrefix,
    source: 'http://s',
  });
}

describe('createS3DeadLetters()', () => {
  it('writes an object for each sink, under the error prefix', async () => {
    await using fake = await FakeS3.start();
    await create(fake).write([letter('1'), letter('2', 'firehose'), letter('3')]);
    expect([...fake.objects.keys()]).toEqual([
      expect.stringMatching(
        /^sse-error\/kinesis-failed\/2026\/11\/21\/07\/p-2026-11-21-07-08-09-[0-9a-f]{16}\.ndjson$/,
      ),
      expect.stringMatching(
        /^sse-error\/firehose-failed\/2026\/11\/21\/07\/p-2026-11-21-07-08-09-[0-9a-f]{16}\.ndjson$/,
      ),
    ]);
    const lines = [...fake.objects.values()].map(({ body }) => body.toString().split('\n').slice(0, -1));
    expect(lines.map((own) => own.map((line) => JSON.parse(line) as object))).toEqual([
      [
        expect.objectContaining({ eventId: '1', lastErrorCode: 'record-too-large', source: 'http://s' }),
        expect.objectContaining({ eventId: '3', rawData: Buffer.from('data 3').toString('base64') }),
      ],
      [expect.objectContaining({ eventId: '2', sink: 'firehose' })],
    ]);
  });

  it('finds what it wrote before its answer was lost, and leaves what others wrote alone', async () => {
    await using fake = await FakeS3.start();
    const letters = create(fake);
    fake.failNext('torn-after');
    await expect(letters.write([letter('1')])).rejects.toThrow(/socket|ECONNRESET/);
    await letters.write([letter('1')]);
    expect(fake.objects.size).toBe(1);
    const [key = ''] = fake.objects.keys();
    const foreign = { body: Buffer.from('theirs'), metadata: {}, contentType: 'text/plain' };
    fake.objects.set(key, foreign);
    await letters.write([letter('1')]);
    expect(fake.objects.get(key)).toBe(foreign);
    expect(fake.objects.size).toBe(2);
  });

  it('rejects where S3 says no, and writes nothing for no letters', async () => {
    await using fake = await FakeS3.start();
    fake.failNext('slow-down');
    await expect(create(fake).write([letter('1')])).rejects.toThrow('SlowDown');
    await create(fake).write([]);
    expect(fake.requests).toHaveLength(1);
  });

  it('warns about a prefix without a slash, and refuses one that does not name the error', async () => {
    await using fake = await FakeS3.start();
    const logger = createCapturingLogger();
    const options = { bucket: 'bucket', endpoint: fake.endpoint, pipeline: 'p', source: 'http://s' };
    createS3DeadLetters({ ...options, logger });
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'warn' })]);
    expect(() => create(fake, 'e/!{timestamp:yyyy}/')).toThrow('!{firehose:error-output-type}');
  });
});
