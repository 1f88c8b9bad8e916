import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventView } from './event-view.js';
import { createMatch } from './match.js';

const EVENT = {
  id: '7',
  type: 'edit',
  data: JSON.stringify({
    wiki: 'enwiki',
    bot: false,
    n: 12,
    title: 'Talk:A*B|C',
    meta: { tags: ['x'], none: null },
    'a/b': 1,
  }),
  receivedAt: 0,
};

function matches(conditions: readonly string[], event: Partial<typeof EVENT> = {}): boolean {
  return createMatch(conditions)(new EventView({ ...EVENT, ...event }));
}

describe('createMatch()', () => {
  it.each([
    ['type=edit', true],
    ['type=new|edit', true],
    ['type!=edit', false],
    ['id=7', true],
    ['/wiki=enwiki', true],
    ['/wiki=dewiki|frwiki', false],
    ['/wiki!=dewiki', true],
    ['/bot=false', true],
    ['/n=12', true],
    ['/n=1', false],
    ['/title=Talk:*', true],
    ['/title=*B*', true],
    ['/title=*Talk', false],
    ['/meta/tags/0=x', true],
    ['/meta/tags=["x"]', true],
    ['/meta/none=null', true],
    ['/meta/none', true],
    ['/meta/other', false],
    ['!/meta/other', true],
    ['!/wiki', false],
    ['/meta/other=x', false],
    ['/meta/other!=x', true],
    ['/a~1b=1', true],
    ['/wiki=', false],
  ])('reads %s', (condition, expected) => {
    expect(matches([condition])).toBe(expected);
  });

  it('compares a number as it is written, with all its digits', () => {
    const event = { data: '{"n":1234567890123456789,"x":1.0}' };
    expect(matches(['/n=1234567890123456789'], event)).toBe(true);
    expect(matches(['/n=1234567890123456790'], event)).toBe(false);
    expect(matches(['/x=1'], event)).toBe(false);
  });

  it('asks that all conditions hold, and knows no fields in what is no JSON', () => {
    expect(matches(['type=edit', '/wiki=enwiki'])).toBe(true);
    expect(matches(['type=edit', '/wiki=dewiki'])).toBe(false);
    expect(matches([])).toBe(true);
    expect(matches(['/wiki=enwiki'], { data: '{"wiki":"enwiki"' })).toBe(false);
    expect(matches(['/wiki!=enwiki'], { data: 'text' })).toBe(true);
    expect(matches(['id'], { id: '' })).toBe(false);
  });

  it.each(['', 'wiki=enwiki', '!/a=b', '/a~2=b', 'types'])('refuses %j', (condition) => {
    expect(() => createMatch([condition])).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('finds parts in their order, as a regular expression would', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 12 });
    fc.assert(
      fc.property(texts, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 }), (pattern, text) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text);
        expect(matches([`/t=${pattern}`], { data: JSON.stringify({ t: text }) })).toBe(expected);
      }),
      { numRuns: 2000, examples: [['a*a', 'a']] },
    );
  });
});
