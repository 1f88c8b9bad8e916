import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** One line of a driver: an event that its client handed on, or something else about its connection. */
export interface DriverLine {
  readonly event?: string;
  readonly id?: string;
  readonly data?: string;
  /** `error` when a connection ended or could not be made, `gave up` when there will be no other. */
  readonly state?: string;
  readonly detail?: string;
}

/** One client that follows one URL, as its driver reports it. */
export class Follower implements AsyncDisposable {
  /** The data of each event that the client handed on. */
  readonly data: string[] = [];
  readonly states: DriverLine[] = [];
  readonly #stop: () => Promise<void>;
  readonly #waiting = new Set<() => void>();
  #ended: string | undefined;

  constructor(stop: () => Promise<void>) {
    this.#stop = stop;
  }

  take(line: DriverLine): void {
    if (line.state !== undefined) this.states.push(line);
    else if (line.event?.startsWith('tidegate.') !== true) this.data.push(line.data ?? '');
    this.#changed();
  }

  /** Nothing more will come, for this reason. */
  end(why: string): void {
    this.#ended ??= why;
    this.#changed();
  }

  get hasGivenUp(): boolean {
    return this.#ended !== undefined || this.states.some(({ state }) => state === 'gave up');
  }

  /** Resolves when `isTrue`; fails when the client has given up, or after `timeoutMs`. */
  async until(
    isTrue: (follower: this) => boolean,
    { what, timeoutMs }: { what: string; timeoutMs: number },
  ): Promise<void> {
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      this.#changed();
    }, timeoutMs);
    try {
      while (!isTrue(this)) {
        if (this.hasGivenUp) throw new Error(`The client gave up before ${what}. ${this.#soFar()}`);
        if (isLate) throw new Error(`No ${what} within ${timeoutMs} ms. ${this.#soFar()}`);
        await new Promise<void>((resolve) => void this.#waiting.add(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  #soFar(): string {
    const states = this.states.slice(-3).map(({ state, detail = '' }) => `${state} ${detail}`.trim());
    return `Events: ${this.data.join(', ') || 'none'}; connection: ${states.join(', ') || 'no news'}. ${this.#ended ?? ''}`;
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

/** Starts a driver program that follows `url`. */
export function startFollower(command: readonly string[], url: string): Follower {
  const [program = '', ...args] = command;
  const child = spawn(program, [...args, url], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const follower = new Follower(() => end(child));
  let errors = '';
  child.stderr?.on('data', (bytes: Buffer) => (errors = (errors + bytes.toString()).slice(-2000)));
  createInterface({ input: child.stdout }).on('line', (line) => follower.take(JSON.parse(line) as DriverLine));
  child.on('error', (error) => follower.end(error.message));
  child.on('exit', (code) => follower.end(`The driver ended with ${code}: ${errors}`));
  return follower;
}

/** The driver leads a process group of its own: curl's loop has children. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const gone = once(child, 'exit');
  process.kill(-child.pid, 'SIGKILL');
  await gone;
}
