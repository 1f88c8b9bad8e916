import { IngestError, messageOf } from '../errors.js';

/**
 * What a failure is about: `content`, a record that will never be taken; `access`, credentials or
 * permissions; `stream`, what is written to is not there; `settings`, the client cannot even ask;
 * `later`, anything that may heal by itself: throttling, timeouts, 500s, torn connections.
 */
export type FailureKind = 'content' | 'access' | 'stream' | 'settings' | 'later';

export interface AwsFailure {
  readonly kind: FailureKind;
  /** AWS's own name for it, or the system's. */
  readonly code: string;
  /** For people; holds no secret. */
  readonly message: string;
}

const CONTENT = new Set(['ValidationException', 'InvalidArgumentException', 'SerializationException']);
/** Somebody is known, but may not do this. */
const FORBIDDEN = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'KMSAccessDeniedException',
  'KMSOptInRequired',
  'OptInRequired',
]);
/** Nobody is known. Source: "Common Errors" of the API references of Kinesis and Firehose; "Error responses" of that of S3. */
const UNKNOWN_CALLER = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'InvalidToken',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'SignatureDoesNotMatch',
  'TokenProviderError',
  'UnrecognizedClientException',
]);
const MISSING = new Set(['ResourceNotFoundException', 'NoSuchBucket']);
const MESSAGE_LENGTH_MAX = 300;

/** What went wrong, of an error that AWS's SDK threw. */
export function toAwsFailure(error: unknown): AwsFailure {
  const { name, status } = facts(error);
  // AWS repeats the signed headers in some of these, a session token among them.
  if (UNKNOWN_CALLER.has(name))
    return {
      kind: 'access',
      code: name,
      message:
        'there are no credentials, or AWS does not accept them; look at AWS_PROFILE, AWS_ACCESS_KEY_ID or the role of this machine',
    };
  const text = messageOf(error);
  if (text === 'Region is missing')
    return {
      kind: 'settings',
      code: 'no-region',
      message: 'no region is set, and the AWS SDK found none; set AWS_REGION, or the region of this sink',
    };
  if (text.startsWith('Region not accepted'))
    return { kind: 'settings', code: 'invalid-region', message: shorten(text) };
  // A proxy's 413 has no name of AWS's, but says the same.
  if (status === 413) return { kind: 'content', code: name, message: shorten(text) };
  return toRecordFailure(name, text);
}

/** What went wrong with one record, of the code and message that AWS gave for it. */
export function toRecordFailure(code: string, text: string): AwsFailure {
  return { kind: kindOf(code), code, message: shorten(text) };
}

/** Whether the caller is known, but may not do this. */
export function isForbidden({ code }: AwsFailure): boolean {
  return FORBIDDEN.has(code);
}

/** The failure as what keeps a pipeline from starting; undefined where it may heal by itself. */
export function toStartError({ kind, code, message }: AwsFailure, stream: string): IngestError | undefined {
  const text = `Cannot write to stream ${JSON.stringify(stream)}: ${message} (${code})`;
  if (kind === 'stream') return new IngestError('stream-missing', text);
  if (kind === 'access') return new IngestError('access-refused', text);
  return kind === 'later' ? undefined : new IngestError('invalid-option', text);
}

function kindOf(code: string): FailureKind {
  if (CONTENT.has(code)) return 'content';
  if (FORBIDDEN.has(code)) return 'access';
  return MISSING.has(code) ? 'stream' : 'later';
}

function facts(error: unknown): { readonly name: string; readonly status: number | undefined } {
  if (!(error instanceof Error)) return { name: 'UnknownError', status: undefined };
  // The system's errors are all named Error; their code says more.
  const name = error.name === 'Error' && 'code' in error ? String(error.code) : error.name;
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  const isRecord = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
  return { name, status: isRecord ? Number(metadata.httpStatusCode) : undefined };
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > MESSAGE_LENGTH_MAX ? `${line.slice(0, MESSAGE_LENGTH_MAX)}…` : line;
}
