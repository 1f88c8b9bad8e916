import { IngestError } from '../../errors.js';

/** A pattern that was understood: what it makes of an instant, in UTC. */
export type TimestampPattern = (at: Date) => string;

interface Letter {
  /** How often it may stand in a row. */
  readonly max: number;
  readonly render: (at: Date, count: number) => string;
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const QUARTERS = ['1st quarter', '2nd quarter', '3rd quarter', '4th quarter'];
const DAY_MS = 86_400_000;

const pad = (value: number, count: number): string => String(value).padStart(count, '0');

const padded = (max: number, read: (at: Date) => number): Letter => ({
  max,
  render: (at, count) => pad(read(at), count),
});

/** Three letters: the name cut to three; four: the whole name; five: its first letter. */
const nameOf = (name: string, count: number): string => {
  if (count === 4) return name;
  return name.slice(0, count === 5 ? 1 : 3);
};

const YEAR: Letter = {
  max: 9,
  render: (at, count) => pad(count === 2 ? at.getUTCFullYear() % 100 : at.getUTCFullYear(), count),
};

const MONTH: Letter = {
  max: 5,
  render: (at, count) => {
    const month = at.getUTCMonth();
    return count <= 2 ? pad(month + 1, count) : nameOf(MONTHS[month] ?? '', count);
  },
};

const QUARTER: Letter = {
  max: 4,
  render: (at, count) => {
    const quarter = Math.floor(at.getUTCMonth() / 3);
    if (count <= 2) return pad(quarter + 1, count);
    return count === 3 ? `Q${quarter + 1}` : (QUARTERS[quarter] ?? '');
  },
};

const DAY_NAME: Letter = { max: 5, render: (at, count) => nameOf(DAYS[at.getUTCDay()] ?? '', count) };

const FRACTION: Letter = {
  max: 9,
  render: (at, count) => pad(at.getUTCMilliseconds(), 3).padEnd(9, '0').slice(0, count),
};

const dayOfYear = (at: Date): number => Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;

/** The letters of Java's DateTimeFormatter that name a point of UTC without a locale's calendar. */
const LETTERS: Readonly<Record<string, Letter>> = {
  y: YEAR,
  u: YEAR,
  M: MONTH,
  L: MONTH,
  Q: QUARTER,
  q: QUARTER,
  d: padded(2, (at) => at.getUTCDate()),
  D: padded(3, dayOfYear),
  E: DAY_NAME,
  a: { max: 1, render: (at) => (at.getUTCHours() < 12 ? 'AM' : 'PM') },
  H: padded(2, (at) => at.getUTCHours()),
  k: padded(2, (at) => at.getUTCHours() || 24),
  K: padded(2, (at) => at.getUTCHours() % 12),
  h: padded(2, (at) => at.getUTCHours() % 12 || 12),
  m: padded(2, (at) => at.getUTCMinutes()),
  s: padded(2, (at) => at.getUTCSeconds()),
  S: FRACTION,
  A: padded(19, (at) => at.getTime() % DAY_MS),
  n: padded(19, (at) => at.getUTCMilliseconds() * 1_000_000),
};

/** A quoted text, two quotes (one quote), a run of one letter, or anything else, literally. */
const TOKEN = /'((?:[^']|'')+)'|''|([A-Za-z])\2*|[^A-Za-z']/g;

/**
 * Reads a pattern of Java's DateTimeFormatter. Letters that depend on a locale's weeks (`Y`, `w`, `W`, `e`,
 * `c`) or name a zone, and the reserved `[]{}#`, are refused: a folder with a wrong name is worse than none.
 * @throws IngestError `invalid-option`, quoting the pattern.
 */
export function parseTimestampPattern(pattern: string): TimestampPattern {
  const tokens = [...pattern.matchAll(TOKEN)];
  const isWhole = tokens.reduce((length, [text]) => length + text.length, 0) === pattern.length;
  if (pattern === '' || !isWhole || /[[\]{}#]/.test(unquoted(pattern))) throw refusal(pattern);
  const renders = tokens.map(([text, quoted, letter]): TimestampPattern => {
    if (letter === undefined) {
      const literal = quoted === undefined ? text.slice(0, 1) : quoted.replaceAll("''", "'");
      return () => literal;
    }
    const known = LETTERS[letter];
    if (known === undefined || text.length > known.max) throw refusal(pattern, text);
    return (at) => known.render(at, text.length);
  });
  return (at) => renders.map((render) => render(at)).join('');
}

function unquoted(pattern: string): string {
  return pattern.replaceAll(/'[^']*'/g, '');
}

function refusal(pattern: string, letters?: string): IngestError {
  const meant = letters?.startsWith('Y') === true ? '; the year is yyyy' : '; it must be such as yyyy/MM/dd/HH';
  const which = letters === undefined ? meant : `: "${letters}" is not understood${meant}`;
  return new IngestError('invalid-option', `Cannot read the time pattern ${JSON.stringify(pattern)}${which}`);
}
