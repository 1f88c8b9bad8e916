import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventView } from './event-view.js';
import { createFieldFilter } from './fields.js';
import type { FieldRules } from './fields.js';

function filter(data: string, rules: FieldRules): string {
  return createFieldFilter(rules)(new EventView({ id: '', type: 'message', data, receivedAt: 0 }));
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The same by way of values: what a filter must come to. */
function expected(value: Json, rules: readonly (readonly [path: readonly string[], action: 'drop' | 'mask'])[]): Json {
  if (typeof value !== 'object' || value === null) return value;
  const under = (name: string): typeof rules =>
    rules.filter(([path]) => path[0] === name || path[0] === '*').map(([path, action]) => [path.slice(1), action]);
  const kept = Object.entries(value).flatMap(([name, member]): [string, Json][] => {
    const next = under(name);
    const actions = new Set(next.filter(([path]) => path.length === 0).map(([, action]) => action));
    if (actions.has('drop')) return [];
    return [[name, actions.has('mask') ? '***' : expected(member, next)]];
  });
  return Array.isArray(value) ? kept.map(([, member]) => member) : Object.fromEntries(kept);
}

describe('createFieldFilter()', () => {
  it('leaves out and writes over what is named, and lets the rest be as it was written', () => {
    const data =
      '{ "id" : 12345678901234567890, "user":{"name":"A", "ip":"1.2.3.4"},"items":[{"k":1},{"k":2.50}], "z":1e400 }';
    expect(filter(data, { drop: ['/user/ip', '/items/0'], mask: ['/user/name'] })).toBe(
      '{"id":12345678901234567890,"user":{"name":"***"},"items":[{"k":2.50}],"z":1e400}',
    );
    expect(filter(data, { drop: ['/items/*/k', '/id'] })).toContain('"items":[{},{}]');
    expect(filter(data, { mask: ['/user'], drop: ['/user'] })).not.toContain('user');
    expect(filter(data, {})).toBe(data);
  });

  it('finds a name however it is written, and every member of that name', () => {
    expect(filter('{"\\u0061":1,"a":2,"b":3}', { mask: ['/a'] })).toBe('{"\\u0061":"***","a":"***","b":3}');
    expect(filter('{"":1,"~/":2}', { drop: ['/', '/~0~1'] })).toBe('{}');
  });

  it('masks what is no JSON as a whole: nobody knows what is in it', () => {
    expect(filter('{"user":"A"', { drop: ['/user'] })).toBe('***');
    expect(filter('"text"', { drop: ['/user'] })).toBe('"text"');
  });

  it.each(['', 'user', '/a~'])('refuses the field %j', (pointer) => {
    const create = (): unknown => createFieldFilter({ mask: [pointer] });
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('does to text what it would do to values, for whatever JSON there is', () => {
    // None that ends with a backslash: JSON.parse() of Node 24 and 26, having seen {"a":0,"\\":0}, reads {"a":0,"\"":0} as that.
    const names = fc.constantFrom('a', 'b', '0', '1', '"', '\\"', '*', 'ü', '');
    const { value } = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(fc.constantFrom(null, true, false), fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(names, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    const path = fc.array(names, { minLength: 1, maxLength: 3 });
    const rules = fc.array(fc.tuple(path, fc.constantFrom('drop' as const, 'mask' as const)), {
      minLength: 1,
      maxLength: 4,
    });
    const indent = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(value, rules, indent, (json, given, space) => {
        const pointers = (action: string): string[] =>
          given
            .filter((rule) => rule[1] === action)
            .map(([parts]) => parts.map((name) => `/${name.replaceAll('~', '~0')}`).join(''));
        const text = JSON.stringify(json, undefined, space);
        const result = filter(text, { drop: pointers('drop'), mask: pointers('mask') });
        const plain = JSON.parse(text) as Json;
        expect(JSON.parse(result)).toEqual(expected(plain, given));
      }),
      { numRuns: 500 },
    );
  });
});
