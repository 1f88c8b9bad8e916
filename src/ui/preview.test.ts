import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { previewOf, previewText } from './preview.js';

describe('previewText()', () => {
  it('reads a Wikimedia change as a sentence', () => {
    const change = { title: 'Your Song', user: 'Ann', wiki: 'enwiki', server_name: 'en.wikipedia.org' };
    expect(previewText(JSON.stringify({ ...change, type: 'edit' }))).toBe('Ann edited Your Song (enwiki)');
    expect(previewText(JSON.stringify({ ...change, type: 'new' }))).toBe('Ann created Your Song (enwiki)');
    expect(previewText(JSON.stringify({ ...change, wiki: undefined }))).toBe('Ann edited Your Song (en.wikipedia.org)');
  });

  it('does not look for verbs in the prototype', () => {
    const change = { title: 'T', user: 'U', wiki: 'w', type: 'constructor' };
    expect(previewText(JSON.stringify(change))).toBe('U edited T (w)');
  });

  it('names the fields of other objects and sums up what is nested', () => {
    const data = JSON.stringify({ order: 7, paid: true, items: [1, 2], by: { id: 1, name: 'x' }, note: null });
    expect(previewText(data)).toBe('order 7 · paid true · items [2] · by {id, name} · note null');
  });

  it('says how many fields it leaves out', () => {
    const data = JSON.stringify(Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`f${index}`, index])));
    expect(previewText(data)).toMatch(/f7 7 · … 4 more$/);
  });

  it('shows text that is no JSON as it is, on one line', () => {
    expect(previewText('Step 1\r\nStep 2')).toBe('Step 1 ⏎ Step 2');
    expect(previewText('"quoted"')).toBe('quoted');
    expect(previewText('')).toBe('(empty)');
    expect(previewText('{}')).toBe('{}');
    expect(previewText('[1,2]')).toBe('[1,2]');
  });

  it('takes markup for text', () => {
    expect(previewOf('<img src=x onerror=alert(1)>')).toEqual({ kind: 'text', text: '<img src=x onerror=alert(1)>' });
  });

  it('is one bounded line for any data', () => {
    const anyData = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc.json(),
      fc.constant('x'.repeat(200_000)),
    );
    fc.assert(
      fc.property(anyData, (data) => {
        const text = previewText(data);
        expect(text).not.toMatch(/[\r\n]/);
        expect(text.length).toBeLessThan(1500);
        expect(text).not.toBe('');
      }),
    );
  });
});
