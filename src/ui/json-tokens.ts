export interface JsonToken {
  readonly kind: 'key' | 'string' | 'number' | 'literal' | 'plain';
  readonly text: string;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** Cuts printed JSON into coloured pieces; put together again they are `text` to the character. */
export function jsonTokens(text: string): readonly JsonToken[] {
  const tokens: JsonToken[] = [];
  let at = 0;
  const plainUntil = (end: number): void => {
    if (end > at) tokens.push({ kind: 'plain', text: text.slice(at, end) });
  };
  for (const match of text.matchAll(TOKEN)) {
    const [whole, quoted, colon, number] = match;
    plainUntil(match.index);
    at = match.index + whole.length;
    if (quoted === undefined) tokens.push({ kind: number === undefined ? 'literal' : 'number', text: whole });
    else tokens.push({ kind: colon === undefined ? 'string' : 'key', text: quoted });
    if (colon !== undefined) tokens.push({ kind: 'plain', text: colon });
  }
  plainUntil(text.length);
  return tokens;
}
