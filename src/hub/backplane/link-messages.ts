import { HubError } from '../errors.js';
import type { ErrorPlace, HubErrorCode } from '../errors.js';
import type { HistoryRequest, ListRequest } from '../listing.js';
import type { Revocation } from '../auth/revocations.js';
import type { Connection, ConnectionQuery, Identity } from '../connection.js';
import type { Life } from '../store.js';
import type { Publication } from './backplane.js';
import type { Question } from './question.js';

/** What a worker asks of the primary, and what the answer is to: every request has one. */
export type Request =
  | { readonly call: 'publish'; readonly publication: Publication }
  | { readonly call: 'end'; readonly channel: string; readonly publisher?: string }
  | { readonly call: 'join'; readonly connection: Connection }
  | { readonly call: 'connections'; readonly query: ConnectionQuery }
  | { readonly call: 'connection' | 'end-connection'; readonly identity: Identity; readonly id: string }
  | { readonly call: 'list'; readonly request: ListRequest }
  | { readonly call: 'describe'; readonly channel: string }
  | { readonly call: 'history'; readonly channel: string; readonly request: HistoryRequest }
  | { readonly call: 'revoke'; readonly revocation: Revocation }
  | { readonly call: 'metrics' };

/** From a worker to the primary. */
export type WorkerMessage =
  | { readonly kind: 'request'; readonly id: number; readonly request: Request }
  | { readonly kind: 'leave'; readonly connectionId: string }
  | { readonly kind: 'reply'; readonly id: number; readonly reply: unknown };

/** From the primary to a worker. */
export type PrimaryMessage =
  | { readonly kind: 'hello'; readonly life: Life; readonly headOffset: number }
  /** A channel that the worker follows from here on; its history comes next, as frames. */
  | {
      readonly kind: 'channel';
      readonly name: string;
      /** To whom the primary charges it. */
      readonly publisher: string;
      readonly evictedOffset: number;
      readonly evictedTimeMs: number;
      readonly endedAtMs?: number;
      readonly recentOffsets?: readonly number[];
    }
  | { readonly kind: 'revoked'; readonly revocations: readonly Revocation[] }
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown; readonly headOffset: number }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: LinkError }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question };

/** A HubError on its way between two processes. */
export interface LinkError extends ErrorPlace {
  readonly code: HubErrorCode;
  readonly message: string;
}

export function toLinkError(error: unknown): LinkError {
  if (!(error instanceof HubError)) return { code: 'internal', message: String(error) };
  const { code, message, line, published, event } = error;
  return {
    code,
    message,
    ...(line === undefined ? {} : { line }),
    ...(published === undefined ? {} : { published }),
    ...(event === undefined ? {} : { event }),
  };
}

export function fromLinkError({ code, message, ...place }: LinkError): Error {
  // A fault, not a refusal: its message is for the log alone.
  if (code === 'internal') return new Error(message);
  return new HubError(code, message, place);
}
