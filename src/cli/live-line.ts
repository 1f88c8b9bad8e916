import type { Output } from './io.js';

/** One line at the bottom of a terminal that is written over again and again. */
export class LiveLine {
  readonly #output: Output;
  #isShown = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows `text`, cut to the terminal's width so that it stays one line; it must hold no colours. */
  show(text: string): void {
    // A terminal that does not know its width says 0.
    const columns = this.#output.columns || 80;
    this.#output.write(`\r\u001B[2K${text.slice(0, columns - 1)}`);
    this.#isShown = true;
  }

  /** Takes the line away, so that something else can be written. */
  clear(): void {
    if (!this.#isShown) return;
    this.#output.write('\r\u001B[2K');
    this.#isShown = false;
  }
}

/** `output`, with `line` taken away before each write; the next `show` brings it back. */
export function above(line: LiveLine | undefined, output: Output): { write(text: string): unknown } {
  return {
    write(text) {
      line?.clear();
      return output.write(text);
    },
  };
}
