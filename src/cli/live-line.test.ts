import { describe, expect, it } from 'vitest';
import { TestOutput } from '../../test/support/cli.js';
import { above, LiveLine } from './live-line.js';

describe('LiveLine', () => {
  it('show() keeps within the width of the terminal, so that it stays one line', () => {
    const output = new TestOutput(true);
    new LiveLine(output).show('x'.repeat(300));
    expect(output.text).toBe(`\r\u001B[2K${'x'.repeat(output.columns - 1)}`);
  });

  it('gives way to what is written above it', () => {
    const output = new TestOutput(true);
    const line = new LiveLine(output);
    line.show('busy');
    above(line, output).write('said\n');
    above(line, output).write('more\n');
    expect(output.text).toBe('\r\u001B[2Kbusy\r\u001B[2Ksaid\nmore\n');
  });
});
