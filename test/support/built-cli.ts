import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** `tidegate` as it ships, in a process of its own. */
export class BuiltCli implements AsyncDisposable {
  readonly #child: ChildProcess;
  output = '';
  /** Resolves with the exit code, or null where a signal killed it. */
  readonly exited: Promise<number | null>;

  /** @param env Beside this process's own. */
  constructor(args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
    const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
    this.#child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.#child, 'exit').then(([code]) => code as number | null);
    const take = (text: Buffer): void => void (this.output += text.toString());
    this.#child.stdout?.on('data', take);
    this.#child.stderr?.on('data', take);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The first match in what it has written. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const deadlineMs = Date.now() + 40_000;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match) return match;
      if (this.#child.exitCode !== null || Date.now() > deadlineMs)
        throw new Error(`Nothing like ${pattern} in:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it; resolves to its exit code, or null where the signal killed it. */
  async end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    this.#child.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
