import { expect, test } from 'vitest';

import { Channel } from './channel.js';
import { createMergedFeed } from './feed.js';
import { encodeBody, frameOf } from './frame.js';

/** A channel that has given up everything up to `lost` and holds an event at each of `offsets`. */
function channelOf(name: string, lost: number, offsets: readonly number[]): Channel {
  const channel = new Channel(name, { slow: 'gap', pointer: undefined }, { offset: lost, timeMs: 0 });
  for (const offset of offsets) channel.append(frameOf(encodeBody({ data: '' }), String(offset)), offset, 0);
  return channel;
}

test('Each gap of one of several channels ends with a flush, whose cursor leads to what is kept behind it', () => {
  const channels = [
    channelOf('a', 5, [6, 9]),
    channelOf('b', 0, [2, 3, 7]),
    channelOf('c', 8, [10]),
    channelOf('d', 12, []),
  ];
  const feed = createMergedFeed({
    channels,
    form: ({ name }, { offset }) => Buffer.from(`${name}${offset} `),
    formatCursor: String,
  });
  const flushes: string[] = [];
  for (let slice = feed.sliceAfter(0); slice !== undefined; slice = feed.sliceAfter(slice.offset))
    flushes.push(
      `${
        Buffer.from(slice.bytes.plain)
          .toString()
          .match(/^[^:]* /)?.[0]
      }> ${slice.offset}`,
    );
  // Cut in the second one, a client has nothing of what follows the gap of c, and may be sent what lies in it.
  expect(flushes).toEqual(['b2 b3 > 5', 'a6 b7 > 8', 'a9 c10 > 12']);
});
