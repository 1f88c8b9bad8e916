import type { ServerResponse } from 'node:http';

import { HubError } from '../errors.js';
import type { WholeAnswer } from './reply.js';

/** Seconds a refused client is told to wait, where waiting may help. */
const RETRY_AFTER_S = 2;

/** A refusal in the form of RFC 9457; `code` is stable, `type` names it as a URI. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  /** In a batch, the line at fault, from 1. */
  readonly line?: number;
  /** Of a stream that was published as it arrived, how many events were. */
  readonly published?: number;
  /** Of a resume that lost events, the earliest cursor that resumes without a loss. */
  readonly resumedAt?: string;
}

export const PROBLEM_TYPE = 'application/problem+json';

export function problemOf(error: HubError): Problem {
  const { status, title } = error.traits;
  const problem = {
    type: `urn:tidegate:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
  };
  return {
    ...problem,
    ...(error.line === undefined ? {} : { line: error.line }),
    ...(error.published === undefined ? {} : { published: error.published }),
    ...(error.resumedAt === undefined ? {} : { resumedAt: error.resumedAt }),
  };
}

/** Headers that say more than the status does. */
export function problemHeaders(error: HubError): Readonly<Record<string, string>> {
  const retryAfter = error.traits.isRetryable ? { 'Retry-After': String(RETRY_AFTER_S) } : {};
  // RFC 9110, 15.5.2: what would help must be named.
  const challenge = error.traits.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  return { 'Content-Type': PROBLEM_TYPE, 'Cache-Control': 'no-store', ...retryAfter, ...challenge };
}

export function problemAnswer(error: HubError): WholeAnswer {
  const body = JSON.stringify(problemOf(error));
  return { status: error.traits.status, headers: problemHeaders(error), body };
}

export function sendProblem(response: ServerResponse, error: HubError): void {
  const { status, headers, body } = problemAnswer(error);
  response.writeHead(status, { ...headers }).end(body);
}

/** What a client may know of `error`: of ours everything, of any other nothing. */
export function asRefusal(error: unknown): HubError {
  return error instanceof HubError
    ? error
    : new HubError('internal', 'The request failed inside the hub; its log says why');
}
