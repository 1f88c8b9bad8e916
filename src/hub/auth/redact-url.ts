/** Query parameters that may carry a token or a key, in small letters. */
const SECRET_PARAMETERS: ReadonlySet<string> = new Set(['authorization', 'token', 'access_token', 'api_key', 'apikey']);

/** `url` as logs may have it: the value of every query parameter that carries a token is gone, however it is spelt. */
export function redactUrl(url: string): string {
  const mark = url.indexOf('?');
  if (mark === -1) return url;
  const query = url
    .slice(mark + 1)
    .split('&')
    .map(redactPair)
    .join('&');
  return `${url.slice(0, mark)}?${query}`;
}

function redactPair(pair: string): string {
  const [name = ''] = new URLSearchParams(pair).keys();
  return SECRET_PARAMETERS.has(name.trim().toLowerCase()) ? `${name.trim()}=[redacted]` : pair;
}
