import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FakeS3 } from '../../../../test/support/fake-s3.js';
import { hasMoto, MOTO, MotoServer } from '../../../../test/support/moto-server.js';
import { S3Archive } from '../../../../test/support/s3-archive.js';
import { createAwsStore } from './aws-store.js';
import type { ObjectStore } from './object-store.js';

const MIB = 1024 * 1024;
const { signal } = new AbortController();

interface Server extends AsyncDisposable {
  readonly endpoint: string;
}

async function startMoto(): Promise<Server> {
  const moto = await MotoServer.start();
  using archive = new S3Archive(moto.endpoint);
  await archive.createBucket();
  return moto;
}

function open({ endpoint }: Server, bucket = 'bucket'): Promise<ObjectStore> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return createAwsStore({ bucket, endpoint, credentials, multipartBytes: 10 * MIB, partBytes: 5 * MIB });
}

const servers = [
  ['a fake of S3', () => FakeS3.start(), true],
  [`moto ${MOTO}`, startMoto, hasMoto],
] as const;

describe.each(servers)('createAwsStore() on %s', (_, startServer, isThere) => {
  it.skipIf(!isThere).each([
    ['at once', 100],
    ['at once, after asking whether it may (100-continue)', 8 * MIB],
    ['in parts', 23 * MIB],
  ])('creates an object %s, under any key, once', async (_how, bytes) => {
    await using server = await startServer();
    const store = await open(server);
    const object = { key: "a/k ä€😀/8=+%&'!()*.gz", contentType: 'a/b', metadata: { x: 'y' } };
    const [body, other] = [randomBytes(bytes), randomBytes(bytes)];
    expect(await store.create({ ...object, body }, signal)).toBe('created');
    expect(await store.create({ ...object, body: other }, signal)).toBe('taken');
    expect((await store.read(object.key, signal)).equals(body)).toBe(true);
    expect(await store.describe(object.key, signal)).toEqual({ bytes, metadata: { x: 'y' } });
    await store.replace({ ...object, body: Buffer.from('new') }, signal);
    expect((await store.read(object.key, signal)).toString()).toBe('new');
    await store.abortUploads(object.key, signal);
    store.close();
  });

  it.skipIf(!isThere)('lists the keys of a prefix, and knows what is not there', async () => {
    await using server = await startServer();
    const store = await open(server);
    const keys = Array.from({ length: 7 }, (_each, index) => `a/${index}`);
    for (const key of [...keys, 'b/1'])
      await store.replace({ key, body: Buffer.from(key), contentType: 'a/b', metadata: {} }, signal);
    const listed: string[] = [];
    for await (const key of store.list('a/', signal)) listed.push(key);
    expect(listed).toEqual(keys);
    expect(await store.describe('a/8', signal)).toBeUndefined();
    expect(await store.check(signal)).toEqual({ kind: 'there' });
    store.close();
    const elsewhere = await open(server, 'other');
    expect(await elsewhere.check(signal)).toMatchObject({ kind: 'refused', code: 'bucket-missing' });
    elsewhere.close();
  });
});
