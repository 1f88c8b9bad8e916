import { describe, expect, it } from 'vitest';
import { parseErrorPrefix, parsePrefix } from './key-expressions.js';

const atMs = Date.UTC(2018, 7, 27, 10, 30, 5, 42);
const moment = { atMs, seed: 's', errorType: 'processing-failed' };

describe('parsePrefix()', () => {
  // Amazon Data Firehose developer guide, "Understand custom prefixes for Amazon S3 objects", examples.
  it.each([
    ['', '2018/08/27/10/'],
    ['myFirehosePrefix/', 'myFirehosePrefix/2018/08/27/10/'],
    ['!{timestamp:yyyy/MM/dd}', '2018/08/27'],
    [
      'myPrefix/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/',
      'myPrefix/year=2018/month=08/day=27/hour=10/',
    ],
    ["p/!{timestamp:'year='yyyy'/month='MM}/", 'p/year=2018/month=08/'],
    ['sse-data', 'sse-data2018/08/27/10/'],
    ['a}b{c!d/', 'a}b{c!d/2018/08/27/10/'],
  ])('evaluates %j as Firehose does', (prefix, expected) => {
    expect(parsePrefix(prefix).evaluate(moment)).toBe(expected);
  });

  it('gives each random string 11 characters of its own, the same for the same seed', () => {
    const prefix = parsePrefix('!{firehose:random-string}/!{firehose:random-string}/!{timestamp:yyyy}/');
    const [first, second] = prefix.evaluate(moment).split('/');
    expect(first).toMatch(/^[0-9a-f]{11}$/);
    expect(second).toMatch(/^[0-9a-f]{11}$/);
    expect(second).not.toBe(first);
    expect(prefix.evaluate(moment)).toBe(prefix.evaluate(moment));
    expect(prefix.evaluate({ ...moment, seed: 'other' })).not.toBe(prefix.evaluate(moment));
  });

  it.each([
    ['!{timestamp:yyyy', '"!{" may only begin'],
    ['!{partitionKeyFromQuery:x}/', '!{partitionKeyFromQuery:x}'],
    ['!{firehose:other}/', '!{firehose:other}'],
    ['!{timestamp:YYYY}/', '"YYYY" is not understood; the year is yyyy'],
    ['!{timestamp:}/', 'time pattern ""'],
    ['e/!{firehose:error-output-type}/', 'belongs into the error prefix'],
    ['x'.repeat(500), 'longer than 512'],
  ])('refuses %j and quotes it', (prefix, message) => {
    expect(() => parsePrefix(prefix)).toThrow(message);
    expect(() => parsePrefix(prefix)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('warns about a prefix that does not end with a slash, showing what comes of it', () => {
    expect(parsePrefix('sse-data').warnings).toEqual([expect.stringContaining('"sse-data2026/09/30/22/"')]);
    expect(parsePrefix('a/!{timestamp:dd}').warnings).toHaveLength(1);
    expect(parsePrefix('').warnings).toEqual([]);
    expect(parsePrefix('sse-data/').warnings).toEqual([]);
  });
});

describe('parseErrorPrefix()', () => {
  it.each([
    ['failures/!{firehose:error-output-type}/', 'failures/processing-failed/'],
    [
      "e/!{timestamp:'year='yyyy'/month='MM'/day='dd'/hour='HH}/!{firehose:error-output-type}",
      'e/year=2018/month=08/day=27/hour=10/processing-failed',
    ],
    ['sse-error/', 'sse-error/processing-failed/2018/08/27/10/'],
  ])('evaluates %j', (prefix, expected) => {
    expect(parseErrorPrefix(prefix).evaluate(moment)).toBe(expected);
  });

  it('refuses expressions without the one that names the error', () => {
    expect(() => parseErrorPrefix('e/!{timestamp:yyyy}/')).toThrow('!{firehose:error-output-type}');
  });
});
