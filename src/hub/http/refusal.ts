import type { IncomingHttpHeaders } from 'node:http';

import { encodeError } from '../frame.js';
import type { HubError } from '../errors.js';
import { NEVER_RETRY_MS } from '../limits.js';
import type { WholeAnswer } from './reply.js';

/**
 * Refuses a native EventSource so that its page can hear why. Any status but 200 ends it for ever, with no
 * reason shown; so it gets 200, `tidegate.error`, and the time to stay away (PROTOCOL.md, 8.2).
 */
export function eventSourceAnswer(error: HubError, retryMs: number): WholeAnswer {
  const { code, message, traits } = error;
  const waitMs = traits.isRetryable ? retryMs : NEVER_RETRY_MS;
  return {
    status: 200,
    headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' },
    body: encodeError({ code, message, retryable: traits.isRetryable }, waitMs),
  };
}

/** A browser's own EventSource: it can neither set headers nor see a status. */
export function isNativeEventSource(headers: IncomingHttpHeaders): boolean {
  const isStream = headers.accept?.includes('text/event-stream') ?? false;
  return isStream && headers['sec-fetch-mode'] !== undefined && headers.authorization === undefined;
}
