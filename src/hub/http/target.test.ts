import { array, assert, constantFrom, property, string } from 'fast-check';
import { describe, expect, test } from 'vitest';

import { HubError } from '../errors.js';
import { readTarget } from './target.js';
import type { Target } from './target.js';

/** What is read of the target, or the code of its refusal. */
function readOrCode(text: string): Pick<Target, 'path' | 'segments'> | string {
  try {
    const { path, segments } = readTarget(text, '');
    return { path, segments };
  } catch (error) {
    return error instanceof HubError ? error.code : 'no refusal';
  }
}

describe('readTarget()', () => {
  test.each([
    ['/subscribe/news/', 'it ends with a slash. Leave that slash out'],
    ['/connections/https://login.example/a', 'as "=" and its base64url (PROTOCOL.md, 9.13)'],
    ['/connections/https:%2F%2Flogin.example', 'as "=" and its base64url (PROTOCOL.md, 9.13)'],
  ])('says of %j what to do', (text, advice) => {
    expect(() => readTarget(text, '')).toThrow(advice);
  });

  test.each([
    ['/', '', '/', []],
    ['/channels/a', '', '/channels/a', ['channels', 'a']],
    ['/%63hannels/%C3%A9%3f', '', '/channels/%C3%A9%3F', ['channels', 'é?']],
    ['/channels/%252e', '', '/channels/%252e', ['channels', '%2e']],
    ['/events', '/events', '', []],
    ['/events/', '/events', '/', []],
    ['/%65vents/health', '/events', '/health', ['health']],
    ['/events/a/b', '/events/a', '/b', ['b']],
    ['/other', '/events', undefined, []],
    ['/', '/events', undefined, []],
  ])('reads %j below %j as %j', (text, basePath, path, segments) => {
    expect(readTarget(text, basePath)).toMatchObject({ path, segments });
  });

  test('takes the host of an absolute-form target, and its query', () => {
    const target = readTarget('http://hub.example:8080?last=1&last=2', '');
    expect(target).toMatchObject({ authority: 'hub.example:8080', path: '/', segments: [] });
    expect(target.query.getAll('last')).toEqual(['1', '2']);
  });

  test('reads each name back from its one canonical spelling, and refuses what no segment can hold', () => {
    const name = string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    assert(
      property(array(name, { minLength: 1, maxLength: 4 }), (names) => {
        const isHeld = names.every((text) => text !== '.' && text !== '..' && !/[/\\\p{Cc}]/u.test(text));
        const path = names.map((text) => `/${encodeURIComponent(text)}`).join('');
        expect(readOrCode(path)).toEqual(isHeld ? { path, segments: names } : 'invalid-target');
      }),
    );
  });

  test('reads bytes in one way or not at all: the canonical path is read as itself', () => {
    const piece = constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '%5c',
      '\\',
      'a',
      '%61',
      '%25',
      '%',
      ';',
      '?',
      '#',
      ' ',
      '\t',
      'é',
      '//',
      'http://h',
    );
    assert(
      property(array(piece, { maxLength: 12 }), (pieces) => {
        const read = readOrCode(pieces.join(''));
        expect(typeof read === 'string' ? read : readOrCode(read.path ?? '')).toEqual(
          typeof read === 'string' ? 'invalid-target' : read,
        );
      }),
      { numRuns: 2000 },
    );
  });
});
