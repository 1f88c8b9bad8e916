import { createSeededRandom } from '../../base/index.js';
import { encodeEvent } from '../../protocol/index.js';
import type { Block } from './block.js';

export interface GeneratorOptions {
  readonly events: number;
  /** The same seed makes the same events (default 1). */
  readonly seed?: number;
}

/** 2026-01-01T00:00:00Z: fixed, so that the same seed makes the same bytes. */
const FIRST_EVENT_AT_MS = 1_767_225_600_000;
const PLACES = ['Tidal island', 'Estuary', 'Sluice', 'Mudflat', 'Breakwater', 'Harbour', 'Delta works', 'Polder'];
const USERS = ['Avocet', 'Curlew', 'Dunlin', 'Knot', 'Oystercatcher', 'Redshank', 'Sanderling', 'TurnstoneBot'];
const WIKIS = ['en', 'de', 'fr', 'es', 'nl', 'pt'];
const COMMENTS = ['typo', 'added a source', 'new section', 'reverted vandalism', 'clean-up', 'updated figures'];

/**
 * Events in the shape of Wikimedia's `recentchange`, for where no recorded ones are: ids rise, each
 * `meta.id` is unique, sizes vary. They are made up, and say so in `meta.stream`.
 */
export function generateBlocks({ events, seed = 1 }: GeneratorOptions): readonly Block[] {
  const random = createSeededRandom(seed);
  let atMs = FIRST_EVENT_AT_MS;
  return Array.from({ length: events }, (_, index): Block => {
    const gapMs = 1 + Math.floor(random() * 400);
    atMs += gapMs;
    const id = JSON.stringify([{ topic: 'generated.recentchange', partition: 0, timestamp: atMs }]);
    const data = JSON.stringify(makeChange(index, atMs, random));
    const bytes = encodeEvent({ event: 'message', id, data });
    return { bytes, id, isEvent: true, atMs: atMs - FIRST_EVENT_AT_MS };
  });
}

/** The data of such events, one after the other and without end, each of the time when it is asked for. */
export function* generateData(nowMs: () => number, seed = 1): Generator<string, never, undefined> {
  const random = createSeededRandom(seed);
  for (let index = 0; ; index += 1) yield JSON.stringify(makeChange(index, nowMs(), random));
}

function makeChange(index: number, atMs: number, random: () => number): object {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? '';
  const language = pick(WIKIS);
  const user = pick(USERS);
  const title = `${pick(PLACES)} ${1 + Math.floor(random() * 99)}`;
  const oldBytes = 500 + Math.floor(random() * 40_000);
  return {
    $schema: '/mediawiki/recentchange/1.0.0',
    meta: {
      uri: `https://${language}.example.org/wiki/${encodeURIComponent(title.replaceAll(' ', '_'))}`,
      id: makeUuid(random),
      dt: new Date(atMs).toISOString(),
      domain: `${language}.example.org`,
      stream: 'generated.recentchange',
    },
    id: 1_000_000 + index,
    type: random() < 0.8 ? 'edit' : 'new',
    namespace: 0,
    title,
    comment: pick(COMMENTS),
    timestamp: Math.floor(atMs / 1000),
    user,
    bot: user.endsWith('Bot'),
    minor: random() < 0.3,
    length: { old: oldBytes, new: oldBytes + Math.floor(random() * 900) - 300 },
    revision: { old: 5_000_000 + index * 2, new: 5_000_001 + index * 2 },
    server_name: `${language}.example.org`,
    wiki: `${language}wiki`,
  };
}

/** A UUID in form, from the seed instead of chance. */
function makeUuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
