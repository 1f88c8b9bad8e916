import { expect, test } from 'vitest';

import { conflationKey } from './conflation-key.js';

test('conflationKey() is the value that the pointer finds', () => {
  expect(conflationKey({ data: '{"a":[{"s":"x"}]}' }, ['a', '0', 's'])).toBe('value:"x"');
  expect(conflationKey({ data: '{"a":null}' }, ['a'])).toBe('value:null');
});

test.each(['not JSON', '{}', '[1]', 'null', '"text"'])('conflationKey() of %j is the event type', (data) => {
  expect(conflationKey({ event: 'tick', data }, ['length'])).toBe('type:tick');
  expect(conflationKey({ data }, ['constructor'])).toBe('type:message');
});

test('conflationKey() without a pointer is the event type', () => {
  expect(conflationKey({ event: 'tick', data: '{"a":1}' }, undefined)).toBe('type:tick');
});

test('conflationKey() keeps a value apart from a type and from its text', () => {
  const keys = [{ data: '{"s":1}' }, { data: '{"s":"1"}' }, { event: '1', data: '{}' }];
  expect(new Set(keys.map((fields) => conflationKey(fields, ['s']))).size).toBe(3);
});

test('conflationKey() takes numbers as they were written: none is rounded to another', () => {
  const keys = ['1234567890123456789', '1234567890123456790', '1', '1.0', '1e0'].map((id) =>
    conflationKey({ data: `{"id":${id}}` }, ['id']),
  );
  expect(new Set(keys).size).toBe(5);
  expect(conflationKey({ data: '{ "id" : 7 }' }, ['id'])).toBe(conflationKey({ data: '{"id":7}' }, ['id']));
  expect(conflationKey({ data: '{"id":"\\u0041"}' }, ['id'])).toBe('value:"A"');
});
