import { createHash } from 'node:crypto';
import { createServer, ServerResponse } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * As much of the S3 REST API as the sink needs, with faults on demand. What it follows, all below
 * https://docs.aws.amazon.com/AmazonS3/latest/:
 * [Conditions] userguide/conditional-writes.html
 * [PutObject] API/API_PutObject.html
 * [GetObject] API/API_GetObject.html
 * [HeadObject] API/API_HeadObject.html
 * [DeleteObject] API/API_DeleteObject.html
 * [HeadBucket] API/API_HeadBucket.html
 * [List] API/API_ListObjectsV2.html
 * [Begin] API/API_CreateMultipartUpload.html
 * [Part] API/API_UploadPart.html
 * [Complete] API/API_CompleteMultipartUpload.html
 * [Abort] API/API_AbortMultipartUpload.html
 * [Uploads] API/API_ListMultipartUploads.html
 * [Errors] API/ErrorResponses.html
 * [Rate] userguide/optimizing-performance-guidelines.html
 */

/** What happens to the next request about an object, instead of what it asked for. */
export type Fault =
  /** [Errors], [Rate]: 503 SlowDown, "Please reduce your request rate". */
  | 'slow-down'
  /** [Errors]: 500 InternalError, "We encountered an internal error. Please try again". */
  | 'internal-error'
  /** [Complete]: a 200 may carry an error in its body, if the request fails after the answer began. */
  | 'error-in-200'
  /** The connection is cut before anything was done. */
  | 'torn-before'
  /** It was done, and the connection is cut before the answer: the client cannot know. */
  | 'torn-after'
  /** It is never answered. */
  | 'silent'
  /** [PutObject], If-None-Match: 409 ConditionalRequestConflict, another request for the key was under way. */
  | 'conflict'
  /** [Errors]: 400 ExpiredToken, the credentials were temporary. */
  | 'expired-token';

export interface FakeObject {
  readonly body: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
}

interface Upload {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly parts: Map<number, Buffer>;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

const STATUS: Partial<Readonly<Record<Fault, readonly [number, string]>>> = {
  'slow-down': [503, 'SlowDown'],
  'internal-error': [500, 'InternalError'],
  'error-in-200': [200, 'InternalError'],
  conflict: [409, 'ConditionalRequestConflict'],
  'expired-token': [400, 'ExpiredToken'],
};
/** [List] has 1,000, or max-keys; a small page shows whether the next one is asked for. */
export const FAKE_PAGE_KEYS = 3;
/** [Complete]: "Each part must be at least 5 MB in size, except the last part." */
const PART_BYTES_MIN = 5 * 1024 * 1024;

export interface FakeS3Options {
  /** Bytes of the smallest part that is not the last (default 5 MiB). */
  readonly partBytesMin?: number;
}

/** One bucket, `bucket`. What needs neither a fault nor a look inside is tested on other servers too. */
export class FakeS3 implements AsyncDisposable {
  readonly objects = new Map<string, FakeObject>();
  readonly uploads = new Map<string, Upload>();
  /** `PUT key`, `HEAD key` and so on, as they came, with the query where it has no value. */
  readonly requests: string[] = [];
  /** Told of each of them, before anything is done about it. */
  onRequest: ((request: string) => void) | undefined;
  readonly #faults: Fault[] = [];
  readonly #server: Server;
  readonly #partBytesMin: number;
  #uploads = 0;

  private constructor({ partBytesMin = PART_BYTES_MIN }: FakeS3Options) {
    this.#partBytesMin = partBytesMin;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: FakeS3Options = {}): Promise<FakeS3> {
    const fake = new FakeS3(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next requests about objects fail so, one after the other; those about the bucket do not. */
  failNext(...faults: readonly Fault[]): void {
    this.#faults.push(...faults);
  }

  get faultsLeft(): number {
    return this.#faults.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://s3');
    const [, bucket = '', ...path] = url.pathname.split('/').map(decodeURIComponent);
    const key = path.join('/');
    const body = await readBody(request);
    const kind = [...url.searchParams].filter(([, value]) => value === '').map(([name]) => `?${name}`);
    const line = `${request.method ?? ''} ${key}${kind.join('')}`;
    this.requests.push(line);
    this.onRequest?.(line);
    // [HeadBucket]: 404; elsewhere with [Errors]'s code in the body.
    if (bucket !== 'bucket') return fail(response, 404, 'NoSuchBucket');
    const exchange = { request, response, key, query: url.searchParams, body };
    const fault = key === '' ? undefined : this.#faults.shift();
    if (fault === undefined) return this.#act(exchange);
    if (fault === 'silent') return;
    if (fault === 'torn-after') this.#act({ ...exchange, response: new ServerResponse(request) });
    const [status, code] = STATUS[fault] ?? [];
    if (status === undefined || code === undefined) request.socket.destroy();
    else fail(response, status, code);
  }

  #act(exchange: Exchange): void {
    if (exchange.request.method === 'GET' || exchange.request.method === 'HEAD') this.#look(exchange);
    else this.#change(exchange);
  }

  #look({ request, response, key, query }: Exchange): void {
    if (key === '') return request.method === 'HEAD' ? end(response, 200) : this.#list(response, query);
    const object = this.objects.get(key);
    // [GetObject]: 404 NoSuchKey. [HeadObject]: the same without a body, as of any HEAD.
    if (object === undefined) return fail(response, 404, 'NoSuchKey');
    // Both: metadata and ETag are headers.
    const headers = Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value] as const);
    response.writeHead(200, {
      ...Object.fromEntries(headers),
      'content-type': object.contentType,
      'content-length': object.body.length,
      etag: etagOf(object.body),
    });
    response.end(request.method === 'HEAD' ? undefined : object.body);
  }

  #change(exchange: Exchange): void {
    const { request, response, key, query } = exchange;
    const uploadId = query.get('uploadId');
    if (request.method === 'POST' && query.has('uploads')) return this.#beginUpload(exchange);
    if (uploadId !== null) return this.#changeUpload(exchange, uploadId);
    if (request.method === 'DELETE') {
      // [DeleteObject]: 204, whether it was there or not.
      this.objects.delete(key);
      return end(response, 204);
    }
    // [Errors].
    if (request.method !== 'PUT') return fail(response, 405, 'MethodNotAllowed');
    const { metadata, contentType } = describe(request);
    this.#create(exchange, { body: exchange.body, metadata, contentType }, () => {
      // [PutObject]: what was kept, as its ETag; the MD5 of what was put at once.
      response.setHeader('etag', etagOf(exchange.body));
      end(response, 200);
    });
  }

  /** [Conditions]: both conditions hold for PutObject and for CompleteMultipartUpload. */
  #create({ request, response, key }: Exchange, object: FakeObject, done: () => void): void {
    // 412 PreconditionFailed where there is one.
    const isTaken = request.headers['if-none-match'] === '*' && this.objects.has(key);
    if (isTaken) return fail(response, 412, 'PreconditionFailed');
    const [expected, there] = [request.headers['if-match'], this.objects.get(key)];
    // 404 where there is none to match, 412 where there is another.
    if (expected !== undefined && there === undefined) return fail(response, 404, 'NoSuchKey');
    if (expected !== undefined && there !== undefined && etagOf(there.body) !== expected)
      return fail(response, 412, 'PreconditionFailed');
    this.objects.set(key, object);
    done();
  }

  /** [Begin]: what the object will carry is told here, and not when it is completed. */
  #beginUpload({ request, response, key }: Exchange): void {
    this.#uploads += 1;
    const id = `upload-${this.#uploads}`;
    this.uploads.set(id, { key, ...describe(request), parts: new Map() });
    xml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  #changeUpload(exchange: Exchange, id: string): void {
    const { request, response, key, query, body } = exchange;
    const upload = this.uploads.get(id);
    // [Part], [Complete], [Abort]: 404 NoSuchUpload, also of one that is completed or aborted.
    if (upload === undefined || upload.key !== key) return fail(response, 404, 'NoSuchUpload');
    if (request.method === 'DELETE') {
      // [Abort]: 204.
      this.uploads.delete(id);
      return end(response, 204);
    }
    if (request.method === 'PUT') {
      // [Part]: one that comes again takes the place of the first.
      upload.parts.set(Number(query.get('partNumber')), body);
      response.setHeader('etag', etagOf(body));
      return end(response, 200);
    }
    const refusal = this.#refusalOf(upload, namedParts(body));
    if (refusal !== undefined) return fail(response, 400, refusal);
    const parts = namedParts(body).map(({ number }) => upload.parts.get(number) ?? NOTHING);
    const { metadata, contentType } = upload;
    const object = { body: Buffer.concat(parts), metadata, contentType };
    this.#create(exchange, object, () => {
      this.uploads.delete(id);
      const etag = etagOf(object.body);
      xml(response, `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`);
    });
  }

  /** [Complete], "Special errors": all of them 400. */
  #refusalOf({ parts }: Upload, named: readonly NamedPart[]): string | undefined {
    const isThere = ({ number, etag }: NamedPart): boolean =>
      parts.has(number) && etagOf(parts.get(number) ?? NOTHING) === etag;
    if (!named.every(isThere)) return 'InvalidPart';
    if (named.some(({ number }, at) => number <= (named[at - 1]?.number ?? 0))) return 'InvalidPartOrder';
    const isSmall = named.slice(0, -1).some(({ number }) => (parts.get(number)?.length ?? 0) < this.#partBytesMin);
    return isSmall ? 'EntityTooSmall' : undefined;
  }

  #list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get('prefix') ?? '';
    if (query.has('uploads')) {
      // [Uploads]: those under way, by the prefix of their keys.
      const uploads = [...this.uploads].filter(([, { key }]) => key.startsWith(prefix));
      const rows = uploads.map(
        ([id, { key }]) => `<Upload><Key>${escape(key)}</Key><UploadId>${id}</UploadId></Upload>`,
      );
      return xml(response, `<ListMultipartUploadsResult>${rows.join('')}</ListMultipartUploadsResult>`);
    }
    // [List]: in the order of their bytes, behind the token; here that is the last key itself.
    const after = Buffer.from(query.get('continuation-token') ?? '');
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), after) > 0)
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const page = keys.slice(0, FAKE_PAGE_KEYS);
    const isTruncated = keys.length > page.length;
    const next = isTruncated ? `<NextContinuationToken>${escape(page.at(-1) ?? '')}</NextContinuationToken>` : '';
    const rows = page.map((key) => `<Contents><Key>${escape(key)}</Key></Contents>`);
    xml(
      response,
      `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${rows.join('')}</ListBucketResult>`,
    );
  }
}

interface NamedPart {
  readonly number: number;
  readonly etag: string;
}

const NOTHING = Buffer.alloc(0);

/** [Complete]: the object is made of the parts that the request names, in its order. */
function namedParts(body: Buffer): readonly NamedPart[] {
  return [...body.toString().matchAll(/<Part>(.*?)<\/Part>/g)].map(([, part = '']) => ({
    number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
    etag: `"${/[0-9a-f]{32}/.exec(part)?.[0] ?? ''}"`,
  }));
}

/** Keys may hold what XML may not. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function describe({ headers }: IncomingMessage): { metadata: Record<string, string>; contentType: string } {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  const metadata = Object.fromEntries(own.map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)]));
  return { metadata, contentType: headers['content-type'] ?? '' };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

/** [Errors]: a code and a message, in XML. */
function fail(response: ServerResponse, status: number, code: string): void {
  response.statusCode = status;
  xml(response, `<Error><Code>${code}</Code><Message>${code}, as asked for</Message></Error>`);
}

function xml(response: ServerResponse, body: string): void {
  response.setHeader('content-type', 'application/xml');
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${body}`);
}

function end(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.end();
}
