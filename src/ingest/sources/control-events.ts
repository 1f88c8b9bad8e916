import { CONTROL } from '../../protocol/index.js';
import type { ParsedEvent } from '../../protocol/index.js';
import type { GapRecord } from './source.js';
import type { ConnectionOutcome } from './reconnect.js';

/** What a control event asks of its reader. */
export type ControlEffect =
  | { readonly kind: 'none' }
  | { readonly kind: 'gap'; readonly gap: GapRecord }
  | { readonly kind: 'over'; readonly outcome: ConnectionOutcome };

const NONE: ControlEffect = { kind: 'none' };

/** Reads the `tidegate.*` events of one connection. Their ids need no reading: the parser keeps the last one. */
export class ControlReader {
  readonly #channels = new Set<string>();

  /** `event` is a control event. Data that makes no sense is read as the least that its type says. */
  read(event: ParsedEvent): ControlEffect {
    const data = parseObject(event.data);
    switch (event.type) {
      case CONTROL.open:
        for (const channel of Array.isArray(data['channels']) ? data['channels'] : []) {
          if (typeof channel === 'string') this.#channels.add(channel);
        }
        return NONE;
      case CONTROL.gap:
        return { kind: 'gap', gap: toGap(data, event) };
      case CONTROL.end:
        this.#channels.delete(text(data['channel'], ''));
        return this.#channels.size > 0 ? NONE : { kind: 'over', outcome: { kind: 'ended' } };
      case CONTROL.error:
        return { kind: 'over', outcome: toRefusal(data) };
      default:
        return NONE;
    }
  }
}

function toGap(data: Readonly<Record<string, unknown>>, event: ParsedEvent): GapRecord {
  return {
    kind: 'upstream',
    from: text(data['requested'], ''),
    to: text(data['resumedAt'], event.lastEventId),
    reason: text(data['reason'], 'unknown'),
  };
}

function toRefusal(data: Readonly<Record<string, unknown>>): ConnectionOutcome {
  return {
    kind: 'refused',
    code: text(data['code'], 'unknown'),
    message: text(data['message'], 'the server refused'),
    isRetryable: data['retryable'] !== false,
  };
}

const TEXT_CHARACTERS_MAX = 4096;

/** Gaps are kept and refusals are logged, so what an upstream writes into them is cut. */
function text(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value.slice(0, TEXT_CHARACTERS_MAX) : fallback;
}

function parseObject(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
