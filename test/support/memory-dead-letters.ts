import type { DeadLetter, DeadLetters } from '../../src/ingest/index.js';

/** Dead letters that a test can look at; the next `failures` writes fail. */
export class MemoryDeadLetters implements DeadLetters {
  readonly letters: DeadLetter[] = [];
  failures = 0;

  write(letters: readonly DeadLetter[]): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      return Promise.reject(new Error('disk full'));
    }
    this.letters.push(...letters);
    return Promise.resolve();
  }
}
