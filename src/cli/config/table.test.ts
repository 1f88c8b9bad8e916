import { describe, expect, it } from 'vitest';
import { renderReference } from './reference.js';
import { groupsOf } from './groups.js';
import { formatDuration } from './describe.js';
import { VERBS } from './setting.js';
import { formatSize, parseSize } from './size.js';
import { suggest } from './suggest.js';
import { defaultOf, flagsOf, KEYS, keysOf, settingOf, variableOf } from './table.js';

describe('TABLE', () => {
  it('gives no flag of a verb and no variable two meanings', () => {
    for (const verb of VERBS) {
      const flags = keysOf(verb).flatMap((key) => flagsOf(key, verb));
      expect(new Set(flags).size).toBe(flags.length);
    }
    const variables = KEYS.flatMap((key) => [
      variableOf(key),
      ...(settingOf(key).legacy ?? []).map(({ name }) => name),
    ]);
    expect(new Set(variables).size).toBe(variables.length);
  });

  it('has defaults that its own rules accept', () => {
    const refused = VERBS.flatMap((verb) =>
      keysOf(verb).filter((key) => {
        const value = defaultOf(key, verb);
        return value !== undefined && !settingOf(key).schema.safeParse(value).success;
      }),
    );
    expect(refused).toEqual([]);
  });

  it('puts every key under one heading', () => {
    expect(
      groupsOf(KEYS)
        .flatMap((group) => group.keys)
        .toSorted(),
    ).toEqual(KEYS.toSorted());
  });
});

describe('variableOf()', () => {
  it('splits words', () => {
    expect(variableOf('limits.channelsPerConnection')).toBe('TIDEGATE_LIMITS_CHANNELS_PER_CONNECTION');
    expect(variableOf('history.ageMs')).toBe('TIDEGATE_HISTORY_AGE_MS');
  });
});

describe('renderReference()', () => {
  it('names each key that a file may hold, with its variable, unit and default', () => {
    const text = renderReference();
    const missing = KEYS.filter((key) => !text.includes(`| \`${key}\` | \`${variableOf(key)}\` |`));
    expect(missing).toEqual(KEYS.filter((key) => settingOf(key).reach !== 'all'));
    expect(text).toContain('| `history.ageMs` | `TIDEGATE_HISTORY_AGE_MS` | ms | 5m |');
    expect(text).toContain('| `APP_PORT` | `http.port` |');
    expect(text).not.toContain('undefined');
  });
});

describe('parseSize()', () => {
  it.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1.5 MiB', 1_572_864],
    ['2GB', 2_000_000_000],
    ['64', undefined],
    ['1TiB', undefined],
    ['MiB', undefined],
  ])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));
});

describe('formatSize(), formatDuration()', () => {
  it('write what a person would', () => {
    expect([0, 1536, 16 * 1024 ** 2].map(formatSize)).toEqual(['0 B', '1.5 KiB', '16 MiB']);
    expect([0, 250, 90_000, 300_000, 3_600_000].map(formatDuration)).toEqual(['0', '250ms', '90s', '5m', '1h']);
  });
});

describe('suggest()', () => {
  it('finds what was meant, and nothing where nothing is near', () => {
    expect(suggest('sevre', VERBS)).toBe('serve');
    expect(suggest('Publsh', VERBS)).toBe('publish');
    expect(suggest('zebra', VERBS)).toBeUndefined();
  });
});
