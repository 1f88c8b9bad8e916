/** What a code means to who is refused. */
export interface ErrorTraits {
  readonly status: number;
  /** Whether the same request may succeed later. */
  readonly isRetryable: boolean;
  readonly title: string;
}

const CODES = {
  'authorization-unavailable': { status: 503, isRetryable: true, title: 'Nobody can say whether it is allowed' },
  'channel-ended': { status: 409, isRetryable: false, title: 'The channel has ended' },
  'denied-by-webhook': { status: 403, isRetryable: false, title: 'It is not allowed' },
  disconnected: { status: 403, isRetryable: false, title: 'The connection was ended' },
  draining: { status: 503, isRetryable: true, title: 'The hub is shutting down' },
  'duplicate-channel': { status: 400, isRetryable: false, title: 'A channel is named twice' },
  'event-too-large': { status: 413, isRetryable: false, title: 'The event is too large' },
  'backplane-busy': { status: 503, isRetryable: true, title: 'The hub is busy' },
  'backplane-unavailable': { status: 503, isRetryable: true, title: 'The hub cannot reach its store' },
  'body-too-large': { status: 413, isRetryable: false, title: 'The request body is too large' },
  'body-incomplete': { status: 400, isRetryable: true, title: 'The request body was cut short' },
  'body-timeout': { status: 408, isRetryable: true, title: 'The request body did not arrive' },
  'forbidden-application': { status: 403, isRetryable: false, title: 'The token is of another application' },
  'forbidden-channel': { status: 403, isRetryable: false, title: 'The channel is not granted' },
  'forbidden-connections': { status: 403, isRetryable: false, title: 'The connections are not granted' },
  'forbidden-operations': { status: 403, isRetryable: false, title: 'The operations are not granted' },
  'foreign-origin': { status: 403, isRetryable: false, title: 'The page may not do this' },
  'history-lost': { status: 410, isRetryable: false, title: 'Events behind the cursor are lost' },
  'host-not-allowed': { status: 421, isRetryable: false, title: 'The hub does not answer for this host' },
  internal: { status: 500, isRetryable: true, title: 'The hub failed' },
  'idempotency-mismatch': { status: 422, isRetryable: false, title: 'The idempotency key is of another event' },
  'invalid-batch': { status: 400, isRetryable: false, title: 'A line of the batch is not valid' },
  'invalid-channel': { status: 400, isRetryable: false, title: 'The channel name is not valid' },
  'invalid-cursor': { status: 400, isRetryable: false, title: 'The cursor is not valid' },
  'invalid-encoding': { status: 400, isRetryable: false, title: 'The text is not valid Unicode' },
  'invalid-event-type': { status: 400, isRetryable: false, title: 'The event type is not valid' },
  'invalid-host': { status: 400, isRetryable: false, title: 'The host of the request is not valid' },
  'invalid-id': { status: 400, isRetryable: false, title: 'The id is not valid' },
  'invalid-idempotency-key': { status: 400, isRetryable: false, title: 'The idempotency key is not valid' },
  'invalid-json': { status: 400, isRetryable: false, title: 'The body is not valid JSON' },
  'invalid-query': { status: 400, isRetryable: false, title: 'A query parameter is not valid' },
  'invalid-retry': { status: 400, isRetryable: false, title: 'The retry time is not valid' },
  'invalid-target': { status: 400, isRetryable: false, title: 'The request target is not valid' },
  'keys-unavailable': { status: 503, isRetryable: true, title: 'The keys that tokens are checked with are not there' },
  'method-not-allowed': { status: 405, isRetryable: false, title: 'The method is not allowed here' },
  'missing-channel': { status: 400, isRetryable: false, title: 'No channel is named' },
  'missing-data': { status: 400, isRetryable: false, title: 'The event has no data' },
  'not-found': { status: 404, isRetryable: false, title: 'There is nothing here' },
  'primary-lost': { status: 503, isRetryable: true, title: 'The hub restarts' },
  'publish-rate-exceeded': { status: 429, isRetryable: true, title: 'Too many events a second' },
  'stream-expired': { status: 503, isRetryable: true, title: 'The stream has reached its maximum lifetime' },
  'too-slow': { status: 503, isRetryable: true, title: 'The subscriber is too slow' },
  'token-ambiguous': { status: 400, isRetryable: false, title: 'Two different tokens were given' },
  'token-expired': { status: 401, isRetryable: false, title: 'The token has expired' },
  'token-invalid': { status: 401, isRetryable: false, title: 'The token is not valid' },
  'token-missing': { status: 401, isRetryable: false, title: 'There is no token' },
  'token-not-yet-valid': { status: 401, isRetryable: true, title: 'The token is not valid yet' },
  'token-revoked': { status: 401, isRetryable: false, title: 'The token was revoked' },
  'token-too-large': { status: 401, isRetryable: false, title: 'The token is too large' },
  'token-unknown-key': { status: 401, isRetryable: true, title: 'The key of the token is not known' },
  'token-wrong-audience': { status: 401, isRetryable: false, title: 'The token is for somebody else' },
  'token-wrong-issuer': { status: 401, isRetryable: false, title: 'The application of the token is not served here' },
  'too-many-bodies': { status: 503, isRetryable: true, title: 'The hub is full' },
  'too-many-channels': { status: 503, isRetryable: true, title: 'The hub is full' },
  'too-many-channels-asked': { status: 400, isRetryable: false, title: 'Too many channels on one request' },
  'too-many-connections': { status: 503, isRetryable: true, title: 'The hub is full' },
  'too-many-connections-from-address': {
    status: 429,
    isRetryable: true,
    title: 'Too many connections from one address',
  },
  'too-many-connections-of-token': { status: 429, isRetryable: true, title: 'Too many connections with one token' },
  'too-many-connections-of-user': { status: 429, isRetryable: true, title: 'Too many connections of one user' },
  'too-many-revocations': { status: 503, isRetryable: true, title: 'The hub is full' },
  'unknown-api-key': { status: 401, isRetryable: false, title: 'The API key is not known' },
  'unknown-channel': { status: 404, isRetryable: false, title: 'There is no such channel' },
  'unknown-connection': { status: 404, isRetryable: false, title: 'There is no such connection' },
  'unknown-field': { status: 400, isRetryable: false, title: 'A field is not known' },
  'unsupported-media-type': { status: 415, isRetryable: false, title: 'The content type is not supported' },
} as const satisfies Readonly<Record<string, ErrorTraits>>;

/** Every stable code with which the hub refuses (PROTOCOL.md, 8). */
export type HubErrorCode = keyof typeof CODES;

/** All codes, for documents and metrics. */
export const HUB_ERROR_CODES: Readonly<Record<HubErrorCode, ErrorTraits>> = CODES;

/** Where in a larger request the fault lies, or where a subscription can go on. */
export interface ErrorPlace {
  /** In a batch, the line, from 1. */
  readonly line?: number;
  /** In a stream, how many events were published before it. */
  readonly published?: number;
  /** Of a resume that lost events, the earliest cursor that resumes without a loss. */
  readonly resumedAt?: string;
  /** In a publication, the event, from 0; whoever knows its text tells the line. */
  readonly event?: number;
}

/** A refusal: the code is stable, the message says what could not be done. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly code: HubErrorCode;
  readonly line: number | undefined;
  readonly published: number | undefined;
  readonly resumedAt: string | undefined;
  readonly event: number | undefined;

  constructor(code: HubErrorCode, message: string, place: ErrorPlace = {}) {
    super(message);
    this.code = code;
    this.line = place.line;
    this.published = place.published;
    this.resumedAt = place.resumedAt;
    this.event = place.event;
  }

  get traits(): ErrorTraits {
    return CODES[this.code];
  }
}
