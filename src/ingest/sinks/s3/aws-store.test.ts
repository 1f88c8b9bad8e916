import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { CuttableLink } from '../../../../test/support/cuttable-link.js';
import { S3Archive } from '../../../../test/support/s3-archive.js';
import { describeOnS3, S3_CREDENTIALS } from '../../../../test/support/s3-servers.js';
import type { S3Place, S3Server } from '../../../../test/support/s3-servers.js';
import { createAwsStore } from './aws-store.js';
import type { AwsStoreOptions } from './aws-store.js';
import type { ObjectStore, VersionedStore } from './object-store.js';

const MIB = 1024 * 1024;
const { signal } = new AbortController();

/** The bucket of one test, and what writes to it. */
interface Bench extends S3Place {
  readonly store: ObjectStore & VersionedStore;
  readonly archive: S3Archive;
}

async function openBench(createPlace: () => Promise<S3Place>, options: Partial<AwsStoreOptions> = {}): Promise<Bench> {
  const place = await createPlace();
  const { endpoint, bucket } = place;
  const inParts = { multipartBytes: 10 * MIB, partBytes: 5 * MIB };
  const store = await createAwsStore({ bucket, endpoint, credentials: S3_CREDENTIALS, ...inParts, ...options });
  const archive = new S3Archive(endpoint, bucket, S3_CREDENTIALS);
  const dispose = async (): Promise<void> => {
    store.close();
    archive[Symbol.dispose]();
    await place[Symbol.asyncDispose]();
  };
  return { endpoint, bucket, store, archive, [Symbol.asyncDispose]: dispose };
}

const object = { key: "a/k ä€😀/8=+%&'!()*.gz", contentType: 'a/b', metadata: { x: 'y' } };
const put = (store: ObjectStore, key: string): Promise<void> =>
  store.replace({ ...object, key, body: Buffer.from(key) }, new AbortController().signal);

const named = (name: string): unknown => expect.objectContaining({ name });

describeOnS3('createAwsStore()', (server) => {
  objectTests(server);
  if (server.lacks.includes('conditions')) noConditionTests(server);
  else conditionTests(server);
  if (server.lacks.includes('upload rules')) noUploadRuleTests(server);
  else uploadRuleTests(server);
});

const SIZES = [
  ['at once', 100],
  ['in parts', 11 * MIB],
] as const;

function objectTests({ createPlace, lacks, pageKeys }: S3Server): void {
  it.each([...SIZES, ['at once, after asking whether it may (100-continue)', 8 * MIB]] as const)(
    'creates an object %s, under any key',
    async (_how, bytes) => {
      await using bench = await openBench(createPlace);
      const { store, archive } = bench;
      const body = randomBytes(bytes);
      expect(await store.create({ ...object, body }, signal)).toBe('created');
      expect((await store.read(object.key, signal)).equals(body)).toBe(true);
      expect(await store.describe(object.key, signal)).toEqual({ bytes, metadata: object.metadata });
      expect(await archive.objects()).toMatchObject([object]);
      await store.replace({ ...object, body: Buffer.from('new') }, signal);
      expect((await store.read(object.key, signal)).toString()).toBe('new');
    },
  );

  it('lists the keys of a prefix, page by page where the server can', async () => {
    await using bench = await openBench(createPlace);
    const { store } = bench;
    const count = lacks.includes('pages') ? 5 : pageKeys + 4;
    const keys = Array.from({ length: count }, (_each, index) => `a/<&>ä ${String(index).padStart(4, '0')}`);
    await Promise.all([...keys.toReversed(), 'b/1'].map((key) => put(store, key)));
    const listed: string[] = [];
    for await (const key of store.list('a/', signal)) listed.push(key);
    expect(listed).toEqual(keys);
  });

  it('knows what is not there', async () => {
    await using bench = await openBench(createPlace);
    const { store } = bench;
    expect(await store.check(signal)).toEqual({ kind: 'there' });
    expect(await store.describe('none', signal)).toBeUndefined();
    expect(await store.readVersion('none', signal)).toBeUndefined();
    await expect(store.read('none', signal)).rejects.toThrow(named('NoSuchKey'));
    await using elsewhere = await openBench(() => Promise.resolve({ ...bench, bucket: 'nowhere' }));
    expect(await elsewhere.store.check(signal)).toMatchObject({ kind: 'refused', code: 'bucket-missing' });
    await expect(put(elsewhere.store, 'a')).rejects.toThrow(named('NoSuchBucket'));
  });
}

function conditionTests({ createPlace }: S3Server): void {
  it.each(SIZES)('leaves what is there alone, %s', async (_how, bytes) => {
    await using bench = await openBench(createPlace);
    const { store, archive } = bench;
    const first = randomBytes(bytes);
    await store.create({ ...object, body: first }, signal);
    expect(await store.create({ ...object, body: randomBytes(bytes) }, signal)).toBe('taken');
    expect((await store.read(object.key, signal)).equals(first)).toBe(true);
    expect(await archive.uploads(object.key)).toBe(0);
  });

  it('creates one object of many that come at once', async () => {
    await using bench = await openBench(createPlace);
    const { store } = bench;
    const create = (body: string): Promise<string> =>
      store.create({ ...object, body: Buffer.from(body) }, new AbortController().signal);
    const outcomes = await Promise.all(['0', '1', '2', '3', '4', '5', '6', '7'].map(create));
    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
    expect((await store.read(object.key, signal)).toString()).toBe(String(outcomes.indexOf('created')));
  });

  it('writes a version only over the one that was seen', async () => {
    await using bench = await openBench(createPlace);
    const { store } = bench;
    const write = (text: string, version?: string): Promise<string | undefined> =>
      store.writeVersion({ ...object, body: Buffer.from(text) }, version, signal);
    const one = await write('one');
    expect(await store.readVersion(object.key, signal)).toEqual({ body: Buffer.from('one'), version: one });
    const two = await write('two', one);
    expect(two).not.toBe(one);
    for (const version of [undefined, one, '"0"']) expect(await write('three', version)).toBeUndefined();
    expect((await store.read(object.key, signal)).toString()).toBe('two');
    await bench.archive.delete(object.key);
    expect(await write('three', two)).toBeUndefined();
    expect(await store.readVersion(object.key, signal)).toBeUndefined();
  });
}

function noConditionTests({ createPlace }: S3Server): void {
  it.each(SIZES)('overwrites what is there, %s: this server ignores conditions', async (_how, bytes) => {
    await using bench = await openBench(createPlace);
    const { store } = bench;
    await store.create({ ...object, body: randomBytes(bytes) }, signal);
    const second = randomBytes(bytes);
    expect(await store.create({ ...object, body: second }, signal)).toBe('created');
    expect((await store.read(object.key, signal)).equals(second)).toBe(true);
    expect(await store.writeVersion({ ...object, body: second }, '"0"', signal)).toBeDefined();
  });
}

/** An upload in parts that ends with its client, after the server took the first part. */
async function stopBetweenParts(createPlace: () => Promise<S3Place>, after: (bench: Bench) => Promise<void>) {
  await using place = await createPlace();
  await using link = await CuttableLink.open(() => Number(new URL(place.endpoint).port));
  await using bench = await openBench(() => Promise.resolve(place), { endpoint: link.url, multipartBytes: 0 });
  const stop = new AbortController();
  link.loseAnswer(1, () => stop.abort());
  const creating = bench.store.create({ ...object, body: randomBytes(6 * MIB) }, stop.signal);
  await expect(creating).rejects.toThrow('aborted');
  await after(bench);
}

function uploadRuleTests({ createPlace }: S3Server): void {
  it('leaves nothing behind of an object whose parts are too small', async () => {
    await using bench = await openBench(createPlace, { multipartBytes: 0, partBytes: MIB });
    const { store, archive } = bench;
    const creating = store.create({ ...object, body: randomBytes(2.5 * MIB) }, signal);
    await expect(creating).rejects.toThrow(named('EntityTooSmall'));
    expect(await store.describe(object.key, signal)).toBeUndefined();
    expect(await archive.uploads(object.key)).toBe(0);
  });

  it('abortUploads() takes back what a stopped upload left of this key', () =>
    stopBetweenParts(createPlace, async ({ store, archive }) => {
      expect(await archive.uploads(object.key)).toBe(1);
      await store.abortUploads(object.key, signal);
      expect(await archive.uploads(object.key)).toBe(0);
    }));
}

function noUploadRuleTests({ createPlace }: S3Server): void {
  it('sends parts of any size: this server has no smallest', async () => {
    await using bench = await openBench(createPlace, { multipartBytes: 0, partBytes: MIB });
    expect(await bench.store.create({ ...object, body: randomBytes(2.5 * MIB) }, signal)).toBe('created');
  });

  it('abortUploads() rejects: this server lists no uploads', () =>
    stopBetweenParts(createPlace, async ({ store }) => {
      await expect(store.abortUploads(object.key, signal)).rejects.toThrow(named('NotImplemented'));
    }));
}

describe('createAwsStore()', () => {
  it('sends bodies as they are, without checksums that older servers do not know', async () => {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      request.resume().on('end', () => response.end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const store = await createAwsStore({ bucket: 'bucket', endpoint, credentials: S3_CREDENTIALS });
    await store.create({ ...object, body: Buffer.from('body') }, signal);
    store.close();
    server.close();
    const names = seen.flatMap(Object.keys);
    expect(names).toContain('if-none-match');
    expect(names.filter((name) => /checksum|trailer|decoded|content-encoding/.test(name))).toEqual([]);
  });
});
