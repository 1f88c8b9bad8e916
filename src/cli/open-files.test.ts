import { expect, it } from 'vitest';

import { roomOf } from './open-files.js';

it.each([
  [256, 25, { socketsMax: 215, connectionsMax: 183 }],
  [1024, 30, { socketsMax: 978, connectionsMax: 880 }],
  [1_048_576, 30, { socketsMax: 1_048_530, connectionsMax: 1_047_506 }],
  [20, 25, { socketsMax: 2, connectionsMax: 1 }],
])('roomOf(%s, %s) leaves room for what is no stream', (filesMax, used, room) => {
  expect(roomOf(filesMax, used)).toEqual({ filesMax, ...room });
});
