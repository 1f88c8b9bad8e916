import { IngestError } from '../errors.js';

/** Query parameters that say where a stream shall begin, for servers that do not read Last-Event-ID. */
export interface QueryRules {
  /**
   * Sent while there is nothing to resume from: no id, and no event in this run (default none), such as
   * `{ since: '2026-11-20T00:00:00Z' }`.
   */
  readonly startQuery?: Readonly<Record<string, string>> | undefined;
  /**
   * Sent once there is something to resume from, in place of `startQuery` (default none). In the values `{id}` stands
   * for the last id, `{since}` for the time since which nobody listened (RFC 3339) and `{sinceMs}` for that in
   * milliseconds since 1970. Parameters are sent where all of them are known.
   */
  readonly resumeQuery?: Readonly<Record<string, string>> | undefined;
}

/** What is known of the time before a request. */
interface Before {
  readonly lastEventId: string;
  /** Milliseconds since 1970; undefined on a pipeline's first start. */
  readonly since: number | undefined;
  /** An event was received in this run. */
  readonly hasReceived: boolean;
}

interface Target {
  readonly url: URL;
  /** Whether the query says where to go on. */
  readonly resumes: boolean;
}

/** @throws IngestError `invalid-option`: something in braces that stands for nothing. */
export function checkQueryRules({ startQuery = {}, resumeQuery = {} }: QueryRules): void {
  for (const value of Object.values(resumeQuery)) {
    const unknown = (value.match(PLACEHOLDER) ?? []).find((name) => !['{id}', '{since}', '{sinceMs}'].includes(name));
    if (unknown !== undefined)
      throw new IngestError(
        'invalid-option',
        `Cannot resume with ${unknown} in the query: only {id}, {since}, {sinceMs}`,
      );
  }
  for (const [name, value] of Object.entries(startQuery)) {
    if (PLACEHOLDER.test(value))
      throw new IngestError(
        'invalid-option',
        `Cannot start with query parameter ${JSON.stringify(name)}: nothing is known for its braces`,
      );
  }
}

/** The URL of the next request. */
export function targetOf(url: URL, { startQuery = {}, resumeQuery = {} }: QueryRules, before: Before): Target {
  const resuming = Object.entries(resumeQuery).map(([name, value]) => [name, fill(value, before)] as const);
  const resumes = resuming.length > 0 && resuming.every(([, value]) => value !== undefined);
  if (resumes) return { url: withQuery(url, resuming), resumes };
  const begins = before.lastEventId === '' && !before.hasReceived;
  return { url: begins ? withQuery(url, Object.entries(startQuery)) : url, resumes };
}

const PLACEHOLDER = /\{[a-zA-Z]*\}/g;

/** Undefined where something that it needs is not known. */
function fill(value: string, { lastEventId, since }: Before): string | undefined {
  const known: Readonly<Record<string, string | undefined>> = {
    '{id}': lastEventId === '' ? undefined : lastEventId,
    '{since}': since === undefined ? undefined : new Date(since).toISOString(),
    '{sinceMs}': since === undefined ? undefined : String(since),
  };
  const needed = value.match(PLACEHOLDER) ?? [];
  if (needed.some((name) => known[name] === undefined)) return undefined;
  return value.replaceAll(PLACEHOLDER, (name) => known[name] ?? '');
}

function withQuery(url: URL, parameters: readonly (readonly [name: string, value: string | undefined])[]): URL {
  const target = new URL(url);
  for (const [name, value] of parameters) target.searchParams.set(name, value ?? '');
  return target;
}
