import { PATTERN } from './auth-settings.js';
import { boolean, choice, integer, list, number, string } from './setting.js';
import type { About, VerbName } from './setting.js';

/** A setting of one command line only: no variable, no file. */
const flag = <T>(verb: VerbName | readonly VerbName[], about: Omit<About<T>, 'verbs' | 'reach'>): About<T> => ({
  ...about,
  verbs: typeof verb === 'string' ? [verb] : verb,
  reach: 'flag',
});

/** The part of the table that one command line asks for and no file or variable sets. */
export const FLAGS = {
  event: string(flag('publish', { doc: 'The event type.', default: undefined })),
  id: string(flag('publish', { doc: "The event's own id.", default: undefined })),
  ndjson: boolean(
    flag('publish', {
      doc: 'Standard input is JSON event objects, one a line: {"data", "event"?, "id"?}.',
      default: false,
    }),
  ),
  sse: boolean(
    flag('publish', { doc: 'Standard input is an SSE body; events go out as they arrive.', default: false }),
  ),
  last: string({
    ...flag('subscribe', {
      doc: 'Start with the last events of the history.',
      default: undefined,
    }),
    placeholder: 'n|all',
    shape: { pattern: /^([0-9]{1,9}|all)$/, expected: 'a whole number or all' },
  }),
  since: string({
    ...flag('subscribe', {
      doc: 'Start at a cursor, a time (2026-11-20T12:00:00Z) or a duration ago (5m).',
      default: undefined,
    }),
    placeholder: 'when',
  }),
  count: integer({
    ...flag(['subscribe', 'generate'], { doc: 'Stop after so many events.', default: undefined }),
    min: 1,
  }),
  deep: boolean(flag('verify', { doc: 'Read all data and compare its SHA-256, not its size alone.', default: false })),
  json: boolean(flag(['verify', 'plan'], { doc: 'Print the report as JSON.', default: false })),
  sample: string({
    ...flag('plan', {
      doc: 'Look at the events of this file too: a recording, an event stream, or lines.',
      default: undefined,
    }),
    placeholder: 'file',
  }),
  live: boolean(flag('plan', { doc: 'Listen to the source for a while, and look at its events too.', default: false })),
  shards: integer({
    ...flag('plan', { doc: 'Spread the sample over so many shards of Kinesis.', default: 4 }),
    min: 1,
    max: 1000,
  }),
  strict: boolean(flag('plan', { doc: 'Exit 1 where there are warnings.', default: false })),
  force: boolean(flag('record', { doc: 'Overwrite FILE when it exists.', default: false })),
  seconds: integer({
    ...flag(['record', 'plan'], { doc: 'Stop after so many seconds.', default: undefined, verbDefaults: { plan: 10 } }),
    unit: 's',
    min: 1,
  }),
  events: integer({
    ...flag(['record', 'plan'], {
      doc: 'Stop after so many events.',
      default: undefined,
      verbDefaults: { plan: 1000 },
    }),
    min: 1,
  }),
  redis: string({
    ...flag('generate', {
      doc: 'Publish on the Redis channel of that name at this URL, not to a hub; on <application>:channel:<user> as JSON with id, type and data.',
      default: undefined,
    }),
    placeholder: 'url',
    shape: { pattern: /^rediss?:\/\/[^\s]+$/, expected: 'such as redis://127.0.0.1:6379' },
    isSecret: true,
  }),
  rate: string({
    ...flag(['replay', 'demo', 'generate'], {
      doc: "Events a second, or max; default: a recording's own timing, anything else 10.",
      default: undefined,
      verbDefaults: { demo: '5', generate: '5' },
    }),
    placeholder: 'n|max',
    shape: {
      pattern: /^(0*[1-9][0-9]{0,6}(\.[0-9]{1,3})?|0*\.[0-9]{0,2}[1-9]|max)$/,
      expected: 'a number over 0, or max',
    },
  }),
  lifetimeMs: integer({
    ...flag('token', { doc: 'How long the token is valid.', default: 3_600_000 }),
    unit: 'ms',
    min: 1000,
    max: 10 * 366 * 86_400_000,
    aliases: [{ flag: '--expires' }],
  }),
  subscribe: list<string>({
    ...flag('token', {
      doc: 'A channel that it may subscribe to, with * for any characters; may be repeated.',
      default: [],
    }),
    ...PATTERN,
  }),
  publish: list<string>({
    ...flag('token', {
      doc: 'A channel that it may publish to, with * for any characters; may be repeated.',
      default: [],
    }),
    ...PATTERN,
  }),
  connections: choice(
    ['none', 'read', 'manage'],
    flag('token', { doc: "What it may do with its application's connections.", default: 'none' }),
  ),
  users: boolean(flag('token', { doc: "Whether it may publish to its application's users.", default: false })),
  operate: choice(
    ['none', 'read'],
    flag('token', { doc: 'What it may know of how the hub runs: nothing, or read its metrics.', default: 'none' }),
  ),
  jti: string(flag('token', { doc: 'A name for the token, by which it can be revoked.', default: undefined })),
  loop: boolean(flag('replay', { doc: 'Begin again after the last event.', default: false })),
  end: choice(
    ['stay', 'close', '204'],
    flag('replay', {
      doc: 'After the last event: stay connected, close, or close and answer 204 to who comes back.',
      default: 'stay',
    }),
  ),
  faults: list({
    ...flag('replay', {
      doc: 'What goes wrong now and then: cut (in mid-event), 503 (on connect), stall, duplicate.',
      default: [] as readonly ('cut' | '503' | 'stall' | 'duplicate')[],
    }),
    placeholder: 'cut,503,stall,duplicate',
    expectedItem: 'cut, 503, stall or duplicate',
    item: /^(cut|503|stall|duplicate)$/,
  }),
  faultRate: number({
    ...flag('replay', { doc: 'How likely each fault is, per event or connection.', default: 0.05 }),
    min: 0,
    max: 1,
  }),
  seed: integer({
    ...flag(['replay', 'generate'], { doc: 'The same seed makes the same faults, or the same events.', default: 1 }),
    max: 2 ** 32 - 1,
  }),
  stallMs: integer({ ...flag('replay', { doc: 'How long a stall lasts.', default: 5000 }), unit: 'ms' }),
  heartbeatMs: integer({
    ...flag('replay', { doc: 'A comment is sent after so long without an event; 0: never.', default: 15_000 }),
    unit: 'ms',
  }),
} as const;
