import { expect, it } from 'vitest';
import { renderBars } from './bars.js';

it('renderBars() gives the longest bar the whole width, and the smallest a mark', () => {
  const bars = renderBars(
    [
      { label: 'edit', value: 3200 },
      { label: 'log', value: 1 },
      { label: 'none', value: 0 },
    ],
    3201,
  );
  expect(bars).toEqual([
    `edit  ${'█'.repeat(32)} 100 %  3,200`,
    `log   ▏${' '.repeat(31)}   0 %  1`,
    `none  ${' '.repeat(32)}   0 %  0`,
  ]);
  expect(renderBars([], 0)).toEqual([]);
});
