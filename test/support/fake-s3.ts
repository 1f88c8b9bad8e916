import { createHash } from 'node:crypto';
import { createServer, ServerResponse } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to the next request about an object, instead of what it asked for. */
export type Fault =
  /** 503 SlowDown, "Please reduce your request rate" (S3 User Guide, "Best practices design patterns"). */
  | 'slow-down'
  /** 500 InternalError, "We encountered an internal error. Please try again" (S3 API, "Error responses"). */
  | 'internal-error'
  /** The connection is cut before anything was done. */
  | 'torn-before'
  /** It was done, and the connection is cut before the answer: the client cannot know. */
  | 'torn-after'
  /** It is never answered. */
  | 'silent'
  /** 409 ConditionalRequestConflict: another request for the key was under way ("PutObject", If-None-Match). */
  | 'conflict'
  /** 403 ExpiredToken (S3 API, "Error responses"). */
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
  conflict: [409, 'ConditionalRequestConflict'],
  'expired-token': [403, 'ExpiredToken'],
};
/** S3's bound is 1,000 ("ListObjectsV2", max-keys); a small page shows whether the next one is asked for. */
const PAGE_KEYS = 3;

/**
 * One bucket, `bucket`, that speaks as much of the S3 REST API as the sink needs, with faults on demand. It
 * enforces `If-None-Match: *` and `If-Match` on PutObject and CompleteMultipartUpload with 412 PreconditionFailed (S3 User
 * Guide, "How to prevent object overwrites with conditional writes").
 */
export class FakeS3 implements AsyncDisposable {
  readonly objects = new Map<string, FakeObject>();
  readonly uploads = new Map<string, Upload>();
  /** `PUT key`, `HEAD key` and so on, as they came, with the query where it has no value. */
  readonly requests: string[] = [];
  /** Told of each of them, before anything is done about it. */
  onRequest: ((request: string) => void) | undefined;
  readonly #faults: Fault[] = [];
  readonly #server: Server;
  #uploads = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<FakeS3> {
    const fake = new FakeS3();
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
    if (object === undefined) return fail(response, 404, 'NoSuchKey');
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
    if (request.method !== 'PUT') return fail(response, 405, 'MethodNotAllowed');
    const { metadata, contentType } = describe(request);
    this.#create(exchange, { body: exchange.body, metadata, contentType }, () => {
      response.setHeader('etag', etagOf(this.objects.get(key)?.body ?? Buffer.alloc(0)));
      end(response, 200);
    });
  }

  #create({ request, response, key }: Exchange, object: FakeObject, done: () => void): void {
    const isTaken = request.headers['if-none-match'] === '*' && this.objects.has(key);
    if (isTaken) return fail(response, 412, 'PreconditionFailed');
    const [expected, there] = [request.headers['if-match'], this.objects.get(key)];
    // "How to prevent object overwrites with conditional writes": 404 where there is none to match.
    if (expected !== undefined && there === undefined) return fail(response, 404, 'NoSuchKey');
    if (expected !== undefined && there !== undefined && etagOf(there.body) !== expected)
      return fail(response, 412, 'PreconditionFailed');
    this.objects.set(key, object);
    done();
  }

  #beginUpload({ request, response, key }: Exchange): void {
    this.#uploads += 1;
    const id = `upload-${this.#uploads}`;
    this.uploads.set(id, { key, ...describe(request), parts: new Map() });
    xml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  #changeUpload(exchange: Exchange, id: string): void {
    const { request, response, key, query, body } = exchange;
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.key !== key) return fail(response, 404, 'NoSuchUpload');
    if (request.method === 'DELETE') {
      this.uploads.delete(id);
      return end(response, 204);
    }
    if (request.method === 'PUT') {
      upload.parts.set(Number(query.get('partNumber')), body);
      response.setHeader('etag', etagOf(body));
      return end(response, 200);
    }
    // The parts that the request names, in its order ("CompleteMultipartUpload").
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, number]) => Number(number));
    const parts = named.map((number) => upload.parts.get(number) ?? Buffer.alloc(0));
    const { metadata, contentType } = upload;
    this.#create(exchange, { body: Buffer.concat(parts), metadata, contentType }, () => {
      this.uploads.delete(id);
      xml(response, '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>');
    });
  }

  #list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get('prefix') ?? '';
    if (query.has('uploads')) {
      const uploads = [...this.uploads].filter(([, { key }]) => key.startsWith(prefix));
      const rows = uploads.map(([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`);
      return xml(response, `<ListMultipartUploadsResult>${rows.join('')}</ListMultipartUploadsResult>`);
    }
    const after = query.get('continuation-token') ?? '';
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
    const page = keys.slice(0, PAGE_KEYS);
    const isTruncated = keys.length > page.length;
    const next = isTruncated ? `<NextContinuationToken>${page.at(-1) ?? ''}</NextContinuationToken>` : '';
    const rows = page.map((key) => `<Contents><Key>${key}</Key></Contents>`);
    xml(
      response,
      `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${rows.join('')}</ListBucketResult>`,
    );
  }
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
