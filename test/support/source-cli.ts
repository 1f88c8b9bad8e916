import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export interface SourceCliOptions {
  readonly cwd: string;
  /** A shell command before it, such as `ulimit -n 256`. */
  readonly before?: string;
}

/** `tidegate` from its sources, in a process of its own, as it runs before anything is built. */
export class SourceCli implements AsyncDisposable {
  readonly #child: ChildProcess;
  output = '';
  /** Resolves with the exit code, or null if a signal killed it. */
  readonly exited: Promise<number | null>;

  constructor(args: readonly string[], { cwd, before = ':' }: SourceCliOptions) {
    const command = [process.execPath, '--import', import.meta.resolve('tsx'), path('../../src/cli/main.ts'), ...args];
    this.#child = spawn('/bin/sh', ['-c', `${before} && exec "$@"`, 'sh', ...command], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.#child, 'exit').then(([code]) => code as number | null);
    const take = (text: Buffer): void => {
      this.output += text.toString();
      this.#child.emit('written');
    };
    this.#child.stdout?.on('data', take);
    this.#child.stderr?.on('data', take);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The first match in what it has written. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const signal = AbortSignal.timeout(40_000);
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.#child.exitCode !== null) throw new Error(`Nothing like ${pattern} in:\n${this.output}`);
      await Promise.race([once(this.#child, 'written', { signal }), this.exited]);
    }
  }

  /** Sends a signal; resolves to the exit code, or null if it killed the process. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    this.#child.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
