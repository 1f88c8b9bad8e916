import { ClientError } from './errors.js';

/**
 * Checks a hub's URL before a request is made: `fetch` refuses credentials in it, and its error would repeat them.
 * @throws ClientError `invalid-url`.
 */
export function checkUrl(url: string): void {
  if (!URL.canParse(url)) return;
  const { username, password } = new URL(url);
  if (username === '' && password === '') return;
  const message = 'Cannot use credentials in a URL: send a header';
  throw new ClientError({ code: 'invalid-url', message, retryable: false });
}

/**
 * Checks headers before a request is made, because the error of `fetch` would repeat the value.
 * @throws ClientError `invalid-header`.
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    try {
      new Headers().append(name, value);
    } catch {
      const message = `Cannot send header ${JSON.stringify(name)}: it is no HTTP header`;
      throw new ClientError({ code: 'invalid-header', message, retryable: false });
    }
  }
}

/** One set of headers: of two with the same name, in whatever case, the later one counts. */
export function mergeHeaders(...parts: readonly Readonly<Record<string, string>>[]): Headers {
  const merged = new Headers();
  for (const part of parts) for (const [name, value] of Object.entries(part)) merged.set(name, value);
  return merged;
}
