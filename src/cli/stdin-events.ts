import type { PublishedEvent } from '../client/index.js';
import { quote } from '../protocol/index.js';
import { CliError } from './errors.js';

export interface LineBatch {
  readonly lines: readonly string[];
  /** The number of the first line in the whole input, from 1. */
  readonly firstNumber: number;
}

/** A batch is one request, and a hub takes bodies of so much by default. */
const BATCH_LINES_MAX = 500;
const BATCH_CHARACTERS_MAX = 1024 * 1024;
/** A line that never ends must not fill the memory. */
const LINE_CHARACTERS_MAX = 16 * 1024 * 1024;

/**
 * The lines of `input` in batches: whatever is there, up to a bound. Empty lines are left out; a
 * last line needs no end. Stops when `signal` aborts.
 * @throws CliError `bad-value`: a line of more than 16 Mi characters.
 */
export async function* batchLines(input: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<LineBatch> {
  let rest = '';
  let number = 1;
  for await (const text of decode(input, signal)) {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARACTERS_MAX)
      throw new CliError('bad-value', `Cannot publish line ${number + lines.length}: it is too long`);
    yield* toBatches(lines, number);
    number += lines.length;
  }
  if (rest !== '' && !signal.aborted) yield* toBatches([rest], number);
}

async function* decode(input: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const iterator = input[Symbol.asyncIterator]();
  const aborted = new Promise<'aborted'>((resolve) => {
    signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
  while (!signal.aborted) {
    const next = await Promise.race([iterator.next(), aborted]);
    if (next === 'aborted' || next.done === true) return;
    yield decoder.decode(next.value, { stream: true });
  }
}

function* toBatches(all: readonly string[], firstNumber: number): Generator<LineBatch> {
  let lines: string[] = [];
  let characters = 0;
  let startNumber = firstNumber;
  for (const [index, raw] of all.entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const isFull = lines.length === BATCH_LINES_MAX || characters + line.length > BATCH_CHARACTERS_MAX;
    // An empty line ends a batch too, so that its lines keep rising numbers without holes.
    if (lines.length > 0 && (isFull || line === '')) {
      yield { lines, firstNumber: startNumber };
      lines = [];
      characters = 0;
    }
    if (line === '') continue;
    if (lines.length === 0) startNumber = firstNumber + index;
    lines.push(line);
    characters += line.length;
  }
  if (lines.length > 0) yield { lines, firstNumber: startNumber };
}

export interface ReadEventOptions {
  readonly number: number;
  /** Whether the line is a JSON event object rather than the data itself. */
  readonly isJson: boolean;
  /** The event type of what names none. */
  readonly type: string | undefined;
}

const FIELDS: ReadonlySet<string> = new Set(['data', 'event', 'id', 'retry', 'idempotencyKey']);

/**
 * One line as an event. `data` of a JSON object may be any JSON; a string goes out as it is.
 * @throws CliError `bad-value`, with the line's number.
 */
export function readEvent(line: string, { number, isJson, type }: ReadEventOptions): PublishedEvent {
  const preset = type === undefined ? {} : { event: type };
  if (!isJson) return { ...preset, data: line };
  const value = parseObject(line, number);
  const unknown = Object.keys(value).find((key) => !FIELDS.has(key));
  if (unknown !== undefined) throw bad(number, `it has an unknown field ${quote(unknown)}`);
  const { data, event, id, retry, idempotencyKey } = value;
  if (data === undefined) throw bad(number, 'it has no data');
  for (const text of [event, id, idempotencyKey]) {
    if (text !== undefined && typeof text !== 'string') throw bad(number, 'event, id and idempotencyKey must be text');
  }
  if (retry !== undefined && typeof retry !== 'number') throw bad(number, 'retry must be a number');
  return { ...preset, ...(value as object), data: typeof data === 'string' ? data : JSON.stringify(data) };
}

function parseObject(line: string, number: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw bad(number, 'it is no JSON object');
}

function bad(number: number, reason: string): CliError {
  return new CliError('bad-value', `Cannot publish line ${number}: ${reason}`);
}
