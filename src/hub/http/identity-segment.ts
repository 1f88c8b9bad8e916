import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';

/** What a segment begins with that holds a name in base64url. */
const ENCODED = '=';

/**
 * The application or user that a decoded path segment names. A name that no segment can hold, such as the URL of an
 * issuer, is written as `=` and its UTF-8 in base64url (RFC 4648, 5), so that no program on the way sees a slash.
 * @throws HubError `invalid-target` if what follows `=` is no base64url of UTF-8.
 */
export function readIdentitySegment(segment: string): string {
  if (!segment.startsWith(ENCODED)) return segment;
  const encoded = segment.slice(ENCODED.length);
  const bytes = Buffer.from(encoded, 'base64url');
  // Node reads past what is no base64url; the one right spelling of the bytes is what they give back.
  if (encoded !== '' && bytes.toString('base64url') === encoded) {
    const name = decode(bytes);
    if (name !== undefined) return name;
  }
  throw new HubError(
    'invalid-target',
    `Cannot read ${quote(segment)} in the path: behind = it is no base64url of a name`,
  );
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
