import { describe, expect, it } from 'vitest';

import { EVENT_SOURCE_HEADERS, STREAM_REQUESTS } from '../../../test/support/stream-requests.js';
import { checkRefusals, isNativeEventSource, isToldInStream } from './refusal.js';

const without = (name: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(EVENT_SOURCE_HEADERS).filter(([header]) => header !== name));

const told = (query: string, headers: Readonly<Record<string, string>>): boolean =>
  isToldInStream({ headers, query: new URLSearchParams(query) });

const check = (query: string): (() => void) => {
  return () => checkRefusals(new URLSearchParams(query));
};

describe('isNativeEventSource()', () => {
  it.each(STREAM_REQUESTS)('says $isNative of $client ($to)', ({ headers, isNative }) => {
    expect(isNativeEventSource(headers)).toBe(isNative);
  });

  it.each(['Basic eDp5', 'Digest username="x"', 'Negotiate YII', 'NTLM TlR'])(
    'knows one behind a proxy that asked for a password: %s',
    (authorization) => {
      expect(isNativeEventSource({ ...EVENT_SOURCE_HEADERS, authorization })).toBe(true);
    },
  );

  it.each([
    { accept: 'text/event-stream, */*' },
    { 'cache-control': 'no-store' },
    { authorization: 'Bearer x' },
    { authorization: 'Basically x' },
    { 'x-api-key': 'k' },
    { 'content-type': 'application/json' },
    { 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-mode': 'navigate' },
    { 'sec-fetch-dest': 'image' },
  ])('takes no request for one with %o, which no EventSource sends', (header) => {
    expect(isNativeEventSource({ ...EVENT_SOURCE_HEADERS, ...header })).toBe(false);
  });

  it.each(['accept', 'cache-control', 'sec-fetch-dest'])('takes no request for one without %s', (name) => {
    expect(isNativeEventSource(without(name))).toBe(false);
  });

  it('needs Accept-Language only of a request without Fetch Metadata', () => {
    expect(isNativeEventSource(without('accept-language'))).toBe(true);
    const { accept, 'cache-control': cacheControl } = EVENT_SOURCE_HEADERS;
    expect(isNativeEventSource({ accept, 'cache-control': cacheControl })).toBe(false);
  });
});

describe('isToldInStream()', () => {
  it('does what the client chose, whatever it looks like', () => {
    expect(told('refusals=status', EVENT_SOURCE_HEADERS)).toBe(false);
    expect(told('refusals=stream', { accept: '*/*', authorization: 'Bearer x' })).toBe(true);
    expect(told('', EVENT_SOURCE_HEADERS)).toBe(true);
    expect(told('', { accept: '*/*' })).toBe(false);
  });

  it('is never true without control events', () => {
    expect(told('control=none', EVENT_SOURCE_HEADERS)).toBe(false);
    expect(told('control=none&refusals=stream', EVENT_SOURCE_HEADERS)).toBe(false);
  });

  it('goes by the headers for a choice that is not known', () => {
    expect(told('refusals=maybe', EVENT_SOURCE_HEADERS)).toBe(true);
    expect(told('refusals=maybe', {})).toBe(false);
  });
});

describe('checkRefusals()', () => {
  it.each(['', 'refusals=status', 'refusals=stream', 'refusals=status&control=none', 'refusals=stream&control=events'])(
    'takes %j',
    (query) => {
      expect(check(query)).not.toThrow();
    },
  );

  it.each(['refusals=', 'refusals=Status', 'refusals=200', 'refusals=stream&control=none'])('refuses %j', (query) => {
    expect(check(query)).toThrow(expect.objectContaining({ code: 'invalid-query' }));
  });
});
