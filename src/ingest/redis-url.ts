import { IngestError } from './errors.js';

/** @throws IngestError `invalid-option`; the message leaves the URL out: it may hold a password. */
export function checkRedisUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'redis:' || url?.protocol === 'rediss:') return;
  throw new IngestError('invalid-option', 'Cannot use the URL of Redis: it is no redis:// or rediss:// URL');
}
