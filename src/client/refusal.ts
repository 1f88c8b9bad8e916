import { parseRetryAfter } from '../base/index.js';
import { ClientError } from './errors.js';

/** Statuses of 4xx that may heal by themselves. */
const RETRYABLE_4XX: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Reads an answer that refuses into an error: its code is the `code` of the answer's problem+json, or
 * `http-<status>` where the answer is none.
 * @param what what could not be done, such as `Cannot publish`.
 */
export async function readRefusal(response: Response, what: string): Promise<ClientError> {
  const { status } = response;
  const problem = await readProblem(response);
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after') ?? '', Date.now());
  return new ClientError({
    code: text(problem['code']) ?? `http-${status}`,
    message: `${what}: ${text(problem['detail']) ?? text(problem['title']) ?? `the server answered ${status}`}`,
    status,
    retryable: status >= 500 || RETRYABLE_4XX.has(status),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

async function readProblem(response: Response): Promise<Readonly<Record<string, unknown>>> {
  try {
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') === true;
    const value: unknown = isProblem ? await response.json() : await response.body?.cancel();
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // A refusal stays one when its body cannot be read; the status says enough.
    return {};
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 500) : undefined;
}
