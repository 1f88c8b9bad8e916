import { createHash } from 'node:crypto';
import { IngestError } from '../../errors.js';
import { parseTimestampPattern } from './timestamp-pattern.js';

/** What the expressions of a prefix are evaluated with. */
export interface KeyMoment {
  /** Milliseconds since 1970: when the first event of the object arrived. */
  readonly atMs: number;
  /** The same seed gives the same random strings. */
  readonly seed: string;
  /** Why events are there, in an error prefix: `processing-failed` and such. */
  readonly errorType?: string;
}

/** A prefix of keys that was understood. */
export interface KeyPrefix {
  /** As Firehose completes it: with the time appended where it names none. */
  readonly expression: string;
  /** What a reader of the configuration should know; not empty where keys come out as few would expect. */
  readonly warnings: readonly string[];
  evaluate(moment: KeyMoment): string;
}

type Part = (moment: KeyMoment, index: number) => string;

const EXPRESSION = /!\{([^}]*)\}/g;
const RANDOM = '!{firehose:random-string}';
const ERROR_TYPE = '!{firehose:error-output-type}';
const TIME = '!{timestamp:yyyy/MM/dd/HH/}';
/** Firehose's own bound for an evaluated prefix. */
const PREFIX_MAX = 512;
const RANDOM_CHARACTERS = 11;

/**
 * Reads the prefix of data objects, by the rules of "Understand custom prefixes for Amazon S3 objects" in the
 * Amazon Data Firehose developer guide; times are in UTC.
 * @throws IngestError `invalid-option`, quoting what is not understood.
 */
export function parsePrefix(prefix: string): KeyPrefix {
  if (prefix.includes(ERROR_TYPE))
    throw refusal(prefix, `${ERROR_TYPE} belongs into the error prefix: objects of data have no error`);
  const expression = hasTime(prefix) ? prefix : `${prefix}${TIME}`;
  return toPrefix(prefix, expression, { errorType: '' });
}

/**
 * Reads the prefix of objects with events that could not be written, by the same rules. Without expressions
 * the error's name and the time are appended; with any, the error's name must be one of them.
 * @throws IngestError `invalid-option`, quoting what is not understood.
 */
export function parseErrorPrefix(prefix: string): KeyPrefix {
  const hasExpressions = prefix.includes('!{');
  if (hasExpressions && !prefix.includes(ERROR_TYPE)) throw refusal(prefix, `it must have ${ERROR_TYPE} somewhere`);
  const expression = hasExpressions ? prefix : `${prefix}${ERROR_TYPE}/${TIME}`;
  return toPrefix(prefix, expression, { errorType: 'format-conversion-failed' });
}

function toPrefix(prefix: string, expression: string, sample: { readonly errorType: string }): KeyPrefix {
  const parts = parse(expression);
  const evaluate = (moment: KeyMoment): string => parts.map((part, index) => part(moment, index)).join('');
  const example = evaluate({ ...sample, atMs: Date.UTC(2026, 8, 30, 22, 58, 59), seed: '' });
  if (example.length > PREFIX_MAX) throw refusal(prefix, `evaluated it is longer than ${PREFIX_MAX} characters`);
  return { expression, warnings: warningsAbout(prefix, example), evaluate };
}

function parse(expression: string): readonly Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of expression.matchAll(EXPRESSION)) {
    parts.push(literal(expression, end, match.index), toPart(match[0], match[1] ?? ''));
    end = match.index + match[0].length;
  }
  return [...parts, literal(expression, end, expression.length)];
}

function literal(expression: string, start: number, end: number): Part {
  const text = expression.slice(start, end);
  if (text.includes('!{')) throw refusal(expression, '"!{" may only begin an expression, which ends with "}"');
  return () => text;
}

function toPart(whole: string, inside: string): Part {
  if (whole === RANDOM) return ({ seed }, index) => randomString(`${seed}/${index}`, RANDOM_CHARACTERS);
  if (whole === ERROR_TYPE) return ({ errorType = 'processing-failed' }) => errorType;
  if (!inside.startsWith('timestamp:'))
    throw new IngestError(
      'invalid-option',
      `Cannot read the key expression "${whole}": it must be !{timestamp:…}, !{firehose:random-string} or !{firehose:error-output-type}`,
    );
  const pattern = parseTimestampPattern(inside.slice('timestamp:'.length));
  return ({ atMs }) => pattern(new Date(atMs));
}

/** `count` hexadecimal digits that nobody can foresee who does not know `seed`, the same for the same seed. */
export function randomString(seed: string, count: number): string {
  return createHash('sha256').update(seed).digest('hex').slice(0, count);
}

function hasTime(prefix: string): boolean {
  return prefix.includes('!{timestamp:');
}

function warningsAbout(prefix: string, example: string): readonly string[] {
  if (prefix === '' || prefix.endsWith('/')) return [];
  const begins = hasTime(prefix) ? 'the names of objects are' : 'the time is';
  return [
    `The prefix "${prefix}" has no slash at its end: ${begins} appended to its last word, as in "${example}"; ` +
      'write the slash where a folder is meant',
  ];
}

function refusal(prefix: string, reason: string): IngestError {
  return new IngestError('invalid-option', `Cannot use the prefix ${JSON.stringify(prefix)}: ${reason}`);
}
