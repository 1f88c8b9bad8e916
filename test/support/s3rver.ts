import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createTemporaryFolder } from './temporary-folder.js';

interface Written {
  readonly md5: string;
}

/** What is used of it: it has no types. */
interface Instance {
  readonly httpServer: Server;
  readonly store: {
    putObject: (object: { readonly bucket: string; readonly key: string }) => Promise<Written>;
    putPart: (bucket: string, uploadId: string, part: string, content: unknown) => Promise<Written>;
    readonly getResourcePath: (bucket: string, key: string | undefined, resource: string) => string;
  };
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
}
const require = createRequire(import.meta.url);
type Constructor = new (options: object) => Instance;

/** A running s3rver, an emulator of S3 that keeps objects as files. It ignores every condition of a write. */
export class S3rver implements AsyncDisposable {
  readonly endpoint: string;
  readonly #dispose: () => Promise<void>;

  private constructor(endpoint: string, dispose: () => Promise<void>) {
    this.endpoint = endpoint;
    this.#dispose = dispose;
  }

  static async start(): Promise<S3rver> {
    const folder = await createTemporaryFolder();
    const create = require('s3rver') as Constructor;
    const where = { address: '127.0.0.1', port: 0, directory: folder.path };
    const instance = new create({ ...where, silent: true, vhostBuckets: false });
    answerWhenWritten(instance.store);
    const { port } = await instance.run();
    return new S3rver(`http://127.0.0.1:${port}`, async () => {
      instance.httpServer.closeAllConnections();
      await instance.close();
      await folder[Symbol.asyncDispose]();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispose();
  }
}

/** By itself it answers when it has read what is to be written, a moment before the file holds that. */
function answerWhenWritten(store: Instance['store']): void {
  const putObject = store.putObject.bind(store);
  const putPart = store.putPart.bind(store);
  store.putObject = async (object) => {
    const written = await putObject(object);
    await untilWritten(store.getResourcePath(object.bucket, object.key, 'object'), written);
    return written;
  };
  store.putPart = async (bucket, uploadId, part, content) => {
    const written = await putPart(bucket, uploadId, part, content);
    await untilWritten(join(store.getResourcePath(bucket, undefined, 'uploads'), uploadId, part), written);
    return written;
  };
}

async function untilWritten(path: string, { md5 }: Written): Promise<void> {
  while ((await md5Of(path)) !== md5);
}

async function md5Of(path: string): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  return createHash('md5').update(bytes).digest('hex');
}
