/** One row of a bar chart. */
export interface Bar {
  readonly label: string;
  readonly value: number;
}

const WIDTH = 32;
/** Eighths of a block. */
const PARTS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/**
 * A bar of blocks, its share of `total` and its value, for each of `bars`; the longest has the whole width.
 * Labels stand in one column.
 */
export function renderBars(bars: readonly Bar[], total: number): readonly string[] {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const labelWidth = Math.max(0, ...bars.map(({ label }) => label.length));
  return bars.map(({ label, value }) => {
    const eighths = value === 0 ? 0 : Math.max(1, Math.round((value / most) * WIDTH * 8));
    const bar = '█'.repeat(Math.floor(eighths / 8)) + (PARTS[eighths % 8] ?? '');
    const percent = `${total === 0 ? 0 : Math.round((value / total) * 100)} %`;
    return `${label.padEnd(labelWidth)}  ${bar.padEnd(WIDTH)} ${percent.padStart(5)}  ${value.toLocaleString('en')}`;
  });
}
