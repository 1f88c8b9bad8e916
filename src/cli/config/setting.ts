import { z } from 'zod';
import { parseDuration } from '../../base/index.js';
import { parseSize } from './size.js';

export const VERBS = [
  'serve',
  'ingest',
  'publish',
  'subscribe',
  'record',
  'replay',
  'generate',
  'demo',
  'token',
  'verify',
  'plan',
  'completion',
] as const;
export type VerbName = (typeof VERBS)[number];

/** Where a value may come from: `all` is flag, variable and file. */
type Reach = 'all' | 'flag' | 'flag-and-variable';

/** A variable of a system that Tidegate replaces; it ranks below Tidegate's own. */
interface LegacyVariable {
  readonly name: string;
  /** Turns its spelling of the value into Tidegate's; undefined: as it is. */
  readonly translate?: (text: string, env: Readonly<Record<string, string | undefined>>) => string;
  /** Other variables that it is read with. */
  readonly with?: readonly string[];
}

export interface FlagAlias {
  /** With its dashes: `--port` or `-p`. */
  readonly flag: string;
  /** Default: every verb of the setting. */
  readonly verbs?: readonly VerbName[];
  /** A spelling of a system that Tidegate replaces: understood, not shown. */
  readonly isLegacy?: boolean;
}

/** What is said about a setting beside its type. */
export interface About<T> {
  readonly doc: string;
  readonly verbs: readonly VerbName[];
  readonly default: T;
  readonly verbDefaults?: Partial<Readonly<Record<VerbName, string | number>>>;
  /** Said instead of the default where that depends on something. */
  readonly defaultDoc?: string;
  readonly reach?: Reach;
  readonly aliases?: readonly FlagAlias[];
  readonly legacy?: readonly LegacyVariable[];
  /** Whether the value must not be shown. */
  readonly isSecret?: boolean;
}

/** One row of the table. */
export interface Setting<T = unknown> extends About<T> {
  readonly reach: Reach;
  readonly type: 'integer' | 'number' | 'boolean' | 'string' | 'choice' | 'list';
  readonly unit?: Unit;
  /** Stands for the value in help: `ms`, `url`, `json|pretty`. */
  readonly placeholder: string;
  /** What a value must be, to end the sentence "it must be …". */
  readonly expected: string;
  /** Reads a value as it was written. */
  readonly schema: z.ZodType;
}

type Unit = 'ms' | 'bytes' | 'events' | 'events/s' | 's';

interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly unit?: Unit;
}

/** A whole number; `ms` also reads `5m` or `1.5s`, `bytes` also reads `16MiB`. */
export function integer<D extends number | undefined>(options: About<D> & Range): Setting<number | D> {
  const { unit, min = 0, max = Number.MAX_SAFE_INTEGER, ...about } = options;
  const schema = z.preprocess((raw) => readNumber(raw, unit), z.number().int().min(min).max(max));
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`;
  return {
    reach: 'all',
    ...about,
    ...(unit === undefined ? {} : { unit }),
    type: 'integer',
    placeholder: unit === 'ms' || unit === 'bytes' ? unit : 'n',
    expected: `a whole number, ${range}${unitHint(unit)}`,
    schema: schema,
  };
}

/** A number with a fraction. */
export function number<D extends number | undefined>(
  options: About<D> & Required<Omit<Range, 'unit'>>,
): Setting<number | D> {
  const { min, max, ...about } = options;
  const schema = z.preprocess((raw) => readNumber(raw, undefined), z.number().min(min).max(max));
  return {
    reach: 'all',
    ...about,
    type: 'number',
    placeholder: 'n',
    expected: `a number from ${min} to ${max}`,
    schema: schema,
  };
}

export function boolean(options: About<boolean>): Setting<boolean> {
  const schema = z.preprocess((raw) => BOOLEANS.get(String(raw).toLowerCase()) ?? raw, z.boolean());
  return { reach: 'all', ...options, type: 'boolean', placeholder: '', expected: 'true or false', schema };
}

interface TextShape {
  readonly placeholder?: string;
  /** What it must match, and how that is said. */
  readonly shape?: { readonly pattern: RegExp; readonly expected: string };
}

export function string<D extends string | undefined>(options: About<D> & TextShape): Setting<string | D> {
  const { placeholder = 'text', shape, ...about } = options;
  const pattern = shape?.pattern ?? /^[^\r\n\0]+$/;
  return {
    reach: 'all',
    ...about,
    type: 'string',
    placeholder,
    expected: shape?.expected ?? 'one line of text',
    schema: z.preprocess(readText, z.string().regex(pattern)),
  };
}

/** An http or https URL. */
export function url<D extends string | undefined>(options: About<D>): Setting<string | D> {
  const schema = z.url({ protocol: /^https?$/ });
  return {
    reach: 'all',
    ...options,
    type: 'string',
    placeholder: 'url',
    expected: 'an http:// or https:// URL',
    schema: schema,
  };
}

export function choice<const C extends string, const D extends C | undefined>(
  choices: readonly C[],
  options: About<D>,
): Setting<C | D> {
  return {
    reach: 'all',
    ...options,
    type: 'choice',
    placeholder: choices.join('|'),
    expected: orList(choices),
    schema: z.preprocess(readText, z.enum(choices)),
  };
}

interface ListShape {
  readonly placeholder: string;
  readonly expectedItem: string;
  readonly item: RegExp;
  /** What separates items in one flag or variable; none where an item may hold anything. */
  readonly separator?: ',' | '\n';
}

/** Items by repeated flags, by `separator`, or as a list in the file. */
export function list<T extends string>(options: About<readonly T[]> & ListShape): Setting<readonly T[]> {
  const { placeholder, expectedItem, item, separator = ',', ...about } = options;
  const items = z.array(z.string().regex(item)).readonly();
  return {
    reach: 'all',
    ...about,
    type: 'list',
    placeholder,
    expected: `a list, each item ${expectedItem}`,
    schema: z.preprocess((raw) => readList(raw, separator), items),
  };
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

function readNumber(raw: unknown, unit: Unit | undefined): unknown {
  if (typeof raw !== 'string') return raw;
  const text = raw.trim();
  if (/^-?[0-9]+(\.[0-9]+)?$/.test(text)) return Number(text);
  if (unit === 'ms') return parseDuration(text);
  if (unit === 'bytes') return parseSize(text);
  return raw;
}

/** YAML reads `last: 5` as a number although text was meant. */
function readText(raw: unknown): unknown {
  return typeof raw === 'number' ? String(raw) : raw;
}

function readList(raw: unknown, separator: string): unknown {
  if (Array.isArray(raw)) return raw.flatMap((item: unknown) => readList(item, separator));
  if (typeof raw === 'number') return [String(raw)];
  if (typeof raw !== 'string') return raw;
  return raw
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function unitHint(unit: Unit | undefined): string {
  if (unit === 'ms') return ', in milliseconds or such as 30s or 5m';
  if (unit === 'bytes') return ', in bytes or such as 64KiB or 16MiB';
  return '';
}

function orList(choices: readonly string[]): string {
  return choices.length === 1 ? String(choices[0]) : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}
