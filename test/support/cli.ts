import { runCli } from '../../src/cli/index.js';
import type { Output } from '../../src/cli/index.js';

/** Takes what a verb writes and tells who waits for it. */
export class TestOutput implements Output {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 100;
  readonly #waiting = new Set<() => void>();

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.text += text;
    for (const check of this.#waiting) check();
    return true;
  }

  /** The first match, as soon as it is there. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      const check = (): void => {
        const match = pattern.exec(this.text);
        if (match === null) return;
        this.#waiting.delete(check);
        resolve(match);
      };
      this.#waiting.add(check);
      check();
    });
  }
}

export interface TestRun extends AsyncDisposable {
  readonly stdout: TestOutput;
  readonly stderr: TestOutput;
  /** The exit code, when the verb is done. */
  readonly exit: Promise<number>;
  /** Ctrl-C. */
  interrupt(): Promise<number>;
  /** SIGHUP. */
  hangUp(): void;
}

export interface TestRunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | AsyncIterable<Uint8Array>;
  /** Whether both outputs are a terminal (default false). */
  readonly isTTY?: boolean;
}

/** Runs a command line in this process, as a shell would start it. */
export function start(argv: readonly string[], options: TestRunOptions = {}): TestRun {
  const stop = new AbortController();
  const { isTTY = false, stdin = '', env = {}, cwd = '/nowhere' } = options;
  const [stdout, stderr] = [new TestOutput(isTTY), new TestOutput(isTTY)];
  const input = typeof stdin === 'string' ? once(stdin) : stdin;
  const listeners = new Set<() => void>();
  const onHangup = (listener: () => void): Disposable => {
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  };
  const exit = runCli(argv, { stdin: input, stdout, stderr, env, cwd, signal: stop.signal, onHangup });
  const interrupt = (): Promise<number> => {
    stop.abort();
    return exit;
  };
  return {
    stdout,
    stderr,
    exit,
    interrupt,
    hangUp() {
      for (const listener of listeners) listener();
    },
    async [Symbol.asyncDispose]() {
      await interrupt();
    },
  };
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield Buffer.from(text);
}
