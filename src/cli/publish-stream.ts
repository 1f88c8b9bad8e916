import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ClientError } from '../client/index.js';
import type { Token } from '../client/index.js';

export interface PublishStreamOptions {
  /** The hub's base URL. */
  readonly url: string;
  readonly token?: Token;
  readonly channel: string;
  /** A text/event-stream body, published as it comes. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the body; what was published stays so. */
  readonly signal: AbortSignal;
}

export interface StreamPublished {
  /** The id of the last event. */
  readonly id: string;
  readonly published: number;
}

/**
 * Publishes an SSE body of any length. On `node:http`, since `fetch` gives a request minutes, not days.
 * @throws ClientError the hub refused or was not reached.
 */
export async function publishStream({
  url,
  token,
  channel,
  body,
  signal,
}: PublishStreamOptions): Promise<StreamPublished> {
  const target = new URL(`${url.replace(/\/+$/, '')}/publish/${encodeURIComponent(channel)}`);
  const send = target.protocol === 'https:' ? requestHttps : requestHttp;
  const bearer = typeof token === 'function' ? await token() : token;
  const headers = {
    'Content-Type': 'text/event-stream',
    ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
  };
  const outgoing = send(target, { method: 'POST', headers });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
  });
  const input = Readable.from(body, { objectMode: false });
  const stop = (): void => void input.push(null);
  signal.addEventListener('abort', stop);
  try {
    // A hub that refuses answers before the body is through: then its answer counts, not the broken pipe.
    const [response] = await Promise.all([answered, pipeline(input, outgoing).catch(() => {})]);
    return await readAnswer(response);
  } catch (error) {
    if (error instanceof ClientError) throw error;
    const message = `Cannot publish: ${error instanceof Error ? error.message : String(error)}`;
    throw new ClientError({ code: 'unreachable', message, retryable: true, cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function readAnswer(response: IncomingMessage): Promise<StreamPublished> {
  const status = response.statusCode ?? 0;
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const answer = parse(Buffer.concat(chunks).toString());
  if (status === 200 && typeof answer.id === 'string')
    return { id: answer.id, published: Number(answer.published ?? 0) };
  const { code, detail } = answer;
  throw new ClientError({
    code: typeof code === 'string' ? code : `http-${status}`,
    message: `Cannot publish: ${typeof detail === 'string' ? detail : `the server answered ${status}`}`,
    status,
    retryable: status >= 500,
  });
}

interface Answer {
  readonly id?: unknown;
  readonly published?: unknown;
  readonly code?: unknown;
  readonly detail?: unknown;
}

function parse(text: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return {};
  }
}
