import { IngestError } from './errors.js';

/** @throws IngestError `invalid-option`: no http or https URL. The message leaves it out: it may hold a secret. */
export function checkHttpUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new IngestError('invalid-option', `Cannot use the URL of ${what}: it is no http or https URL`);
}

/**
 * The headers with names in lower case. Checked before a request is made, where the message can leave the
 * value out.
 * @throws IngestError `invalid-option`.
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || !/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value))
      throw new IngestError('invalid-option', `Cannot send header ${JSON.stringify(name)}: it is no HTTP header`);
  }
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
