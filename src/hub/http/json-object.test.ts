import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { HubError } from '../errors.js';
import { JSON_DEPTH_MAX } from '../json-depth.js';
import { isJsonObject, onOneLine, readJsonObject } from './json-object.js';

const NAMES = new Set(['data', 'id']);

function memberOf(json: string, name: string): string | undefined {
  const member = readJsonObject(json, NAMES).members[name];
  return member?.kind === 'text' ? JSON.stringify(member.text) : member?.json;
}

/** What JSON.parse says of a text, as a peer to compare with. */
function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

test('readJsonObject() finds what JSON.parse finds, in any JSON object', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 6 }),
      fc.jsonValue(),
      fc.nat(3),
      (rest, data, indent) => {
        const text = memberOf(JSON.stringify({ ...rest, data }, null, indent), 'data') ?? 'missing';
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(data)));
        expect(JSON.parse(onOneLine(text))).toEqual(JSON.parse(text));
        expect(onOneLine(text)).not.toMatch(/[\r\n]/);
      },
    ),
    { numRuns: 500 },
  );
});

const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '\\',
  ' ',
  '\n',
  '	',
  '\r',
  '\f',
  '\xA0',
  '﻿',
  '\0',
  '',
  '',
  '"a"',
  '"data"',
  '"d\\u0061ta"',
  '"\\ud83d\\ude00"',
  '"\\ud83d"',
  '"\\u12"',
  '"\\x"',
  '"\\/"',
  '\u2028',
  '😀',
  'é',
  '0',
  '1',
  '-',
  '+',
  '.',
  'e',
  'E',
  '-0',
  '00',
  '1e5',
  '0.5',
  '.5',
  '5.',
  '-1.5E+3',
  'true',
  'false',
  'null',
  'NaN',
  'nul',
  '{"data":',
  '{"data":1}',
  '{"data":1,',
  '[1,',
  '[]',
  '{}',
  '"id":"x"',
  '"__proto__":1',
];

test('readJsonObject() accepts what JSON.parse accepts, and nothing else', () => {
  const soup = fc.array(fc.constantFrom(...TOKENS), { maxLength: 12 });
  fc.assert(
    fc.property(soup, soup, (before, after) => {
      for (const text of [before.join(''), `{"data":${before.join('')}}`, `{${before.join('')}:${after.join('')}}`]) {
        const parsed = parse(text);
        expect([text, isJsonObject(text)]).toEqual([text, parsed !== undefined]);
        if (parsed === undefined) continue;
        const { members, unknown } = readJsonObject(text, NAMES);
        const read = Object.keys(members).map((name) => [name, JSON.parse(memberOf(text, name) ?? '') as unknown]);
        const wanted = Object.entries(parsed).filter(([name]) => NAMES.has(name));
        expect(Object.fromEntries(read)).toEqual(Object.fromEntries(wanted));
        expect(unknown === undefined).toBe(Object.keys(parsed).every((name) => NAMES.has(name)));
      }
    }),
    { numRuns: 20_000 },
  );
});

test('readJsonObject() takes a valid text no more once a character of it is changed, as JSON.parse has it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(), fc.constantFrom(...TOKENS), (data, place, token) => {
      const json = JSON.stringify({ data, id: 'x' });
      const at = place % json.length;
      for (const text of [json.slice(0, at) + token + json.slice(at + 1), json.slice(0, at), json + token])
        expect([text, isJsonObject(text)]).toEqual([text, parse(text) !== undefined]);
    }),
    { numRuns: 5000 },
  );
});

test.each([
  ['{"data":12345678901234567890}', '12345678901234567890'],
  ['{"data":1.0,"id":"x"}', '1.0'],
  ['{"data":1,"data":2}', '2'],
  ['{"d\\u0061ta":{"a":[1,{"b":"},{"}]} }', '{"a":[1,{"b":"},{"}]}'],
  ['{"data":"\\\\\\"","x":1}', '"\\\\\\""'],
  ['{\n  "data": {\r\n    "a": 1,\n    "b": "x  y"\n  }\n}', '{"a": 1,"b": "x  y"}'],
  ['{"nested":{"data":1}}', undefined],
  ['{}', undefined],
])('readJsonObject(%j), on one line', (json, text) => {
  const found = memberOf(json, 'data');
  expect(found === undefined ? undefined : onOneLine(found)).toBe(text);
});

const nested = (depth: number): string => `{"data":${'['.repeat(depth)}${']'.repeat(depth)}}`;
const objects = (bytes: number): string => `{"data":[${'{},'.repeat(bytes / 3)}0]}`;

describe('readJsonObject() is bounded:', () => {
  test('by how deep a member is nested', () => {
    expect(memberOf(nested(JSON_DEPTH_MAX), 'data')).toHaveLength(2 * JSON_DEPTH_MAX);
    expect(() => memberOf(nested(JSON_DEPTH_MAX + 1), 'data')).toThrow(
      expect.objectContaining({
        code: 'invalid-json',
        message: expect.stringContaining('64 deep') as string,
      }) as HubError,
    );
    // What is closed again is not counted.
    expect(memberOf(`{"data":[${'[[]],'.repeat(1000)}0]}`, 'data')).toBeDefined();
  });

  test('and ends there, before it has read the rest', () => {
    const [deep, text] = [`{"data":${'['.repeat(LARGE)}`, `{"data":"${'x'.repeat(LARGE)}"}`];
    // JSON.parse takes 60 times as long for the one as for the other.
    expect(timeOf(() => isJsonObject(deep)) / timeOf(() => isJsonObject(text))).toBeLessThan(1);
  });

  test('by its length: twice as many values take about twice as long', () => {
    const [one, four] = [LARGE / 8, LARGE / 2].map((bytes) => timeOf(() => isJsonObject(objects(bytes))));
    expect((four ?? 0) / (one ?? 1)).toBeLessThan(10);
  });
});

const LARGE = 4 * 1024 * 1024;

/** CPU milliseconds of the quickest of three runs: others may have been interrupted. */
function timeOf(task: () => void): number {
  const runs = [0, 0, 0].map(() => {
    const before = process.cpuUsage();
    task();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...runs);
}

test.each([
  ['{"data":["\\uDFFF"]}', true],
  ['{"data":{"\\ud83dx":1}}', true],
  ['{"data":["a string of more than sixteen characters, then \\ud83d"]}', true],
  ['{"data":["\\ud83d\\ude00"]}', false],
  ['{"data":["\\ud83d\\ud83d\\ude00"]}', true],
  ['{"data":["\\\\ud800"]}', false],
  ['{"data":["\\ud800"],"data":1}', false],
  ['{"\\ud800":1,"data":1}', false],
])('readJsonObject(%j) tells a lone surrogate: %s', (json, isBroken) => {
  expect(readJsonObject(json, NAMES).members['data']).toMatchObject({ hasLoneSurrogate: isBroken });
});
