import type { WebhookAnswer, WebhookFault } from './endpoint.js';
import { parseUntrustedJson } from '../json-depth.js';

/** What an authorizer said. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** Told to who is refused. */
  readonly reason: string | undefined;
}

/** Characters of a reason; the rest is cut off. */
const REASON_CHARACTERS_MAX = 200;

/**
 * Reads an answer (PROTOCOL.md, 12.7). A verdict is a 200 whose JSON object has `allow: true` or `false`, or a 403. All
 * else is none: any page that says 200 would open every channel.
 */
export function readVerdict({ status, body }: WebhookAnswer): Verdict | WebhookFault {
  const answer = typeof body === 'string' ? parseObject(body) : undefined;
  if (status === 403) return { isAllowed: false, reason: reasonOf(answer) };
  if (status >= 300 && status < 400) return { failure: 'redirected', detail: status };
  if (status !== 200) return { failure: 'status', detail: status };
  if (typeof body !== 'string') return body;
  const allow = answer?.['allow'];
  if (typeof allow !== 'boolean') return { failure: 'answer-unreadable' };
  return { isAllowed: allow, reason: reasonOf(answer) };
}

type Members = Readonly<Record<string, unknown>>;

function parseObject(text: string): Members | undefined {
  try {
    const value = parseUntrustedJson(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
  } catch {
    return undefined;
  }
}

/** Control characters are for terminals and logs to stumble over, not for people. */
function reasonOf(answer: Members | undefined): string | undefined {
  const reason = answer?.['reason'];
  if (typeof reason !== 'string') return undefined;
  const clean = reason
    .slice(0, REASON_CHARACTERS_MAX)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  return clean === '' ? undefined : clean;
}
