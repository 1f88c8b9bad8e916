import { isRecord, numberOrZero } from './json.js';
import { readProblem } from './problem.js';
import type { Problem } from './problem.js';

/** A channel as `GET /channels` lists it. */
export interface ChannelInfo {
  readonly name: string;
  readonly subscribers: number;
  /** Events in the history. */
  readonly events: number;
  /** Bytes in the history. */
  readonly bytes: number;
  readonly eventsPerSecond: number;
  readonly isEnded: boolean;
}

export interface ChannelPage {
  readonly channels: readonly ChannelInfo[];
  /** Whether the hub has more channels than it lists on one page. */
  readonly hasMore: boolean;
}

export type Published = { readonly id: string } | { readonly problem: Problem };

/** A hub that takes longer does not answer. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The first page of the hub's channels, those with a history only among them; throws where the hub does not answer or refuses. */
export async function listChannels(base: string): Promise<ChannelPage> {
  const response = await fetch(new URL('channels?all=true', base), {
    headers: { Accept: 'application/json' },
    cache: 'no-store',
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error((await readProblem(response)).detail);
  return readChannelPage((await response.json()) as unknown);
}

export function readChannelPage(value: unknown): ChannelPage {
  const fields = isRecord(value) ? value : {};
  const listed: readonly unknown[] = Array.isArray(fields['channels']) ? fields['channels'] : [];
  return {
    channels: listed.flatMap((entry) => (isRecord(entry) ? readChannel(entry) : [])),
    hasMore: typeof fields['next'] === 'string',
  };
}

function readChannel(entry: Readonly<Record<string, unknown>>): readonly ChannelInfo[] {
  const name = entry['name'];
  if (typeof name !== 'string') return [];
  return [
    {
      name,
      subscribers: numberOrZero(entry['subscribers']),
      events: numberOrZero(entry['events']),
      bytes: numberOrZero(entry['bytes']),
      eventsPerSecond: numberOrZero(entry['eventsPerSecond']),
      isEnded: entry['isEnded'] === true,
    },
  ];
}

/** Publishes one event; a refusal is a value, a hub that does not answer too. */
export async function publishEvent(
  base: string,
  channel: string,
  event: { readonly event?: string; readonly data: string },
): Promise<Published> {
  try {
    const response = await fetch(new URL(`publish/${encodeURIComponent(channel)}`, base), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(event),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (!response.ok) return { problem: await readProblem(response) };
    const answer = (await response.json()) as unknown;
    const id = isRecord(answer) ? answer['id'] : undefined;
    return { id: typeof id === 'string' ? id : '' };
  } catch {
    return { problem: { code: 'unreachable', detail: 'The hub does not answer.' } };
  }
}
