import type { Settings } from './config/index.js';

/** What says where a pipeline's events come from, without secrets: a URL, a path, `stdin`, or a key in Redis. */
export function nameOfSource(settings: Settings): string {
  const { 'source.url': url, 'source.file': file } = settings;
  if (url !== undefined) return withoutSecrets(url);
  if (file !== undefined) return file;
  const { 'source.redis.stream': stream, 'source.redis.channel': channel } = settings;
  const key = stream === undefined ? channel : stream;
  if (key === undefined) return 'stdin';
  const place = withoutSecrets(settings['source.redis.url'] ?? '');
  return `${place} ${stream === undefined ? 'channel' : 'stream'} ${key}`;
}

/** A URL without user, password and query, where secrets are. */
export function withoutSecrets(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
