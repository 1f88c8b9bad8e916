import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

const PROGRAM = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'].find((path) => existsSync(path)) ?? 'ip';

/** Tests that need networks of their own are skipped by name where they cannot be made. */
export const hasNamespaces = canMakeNamespaces();

let made = 0;

/** A network of its own for programs of this machine, with links to other such networks and to nothing else. */
export class NetworkNamespace implements Disposable {
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
  }

  static create(): NetworkNamespace {
    made += 1;
    const namespace = new NetworkNamespace(`tidegate-${process.pid}-${made}`);
    ip('netns', 'add', namespace.#name);
    namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  /** Links two namespaces; the link has the same name in both. */
  static link(name: string, near: readonly [NetworkNamespace, string], far: readonly [NetworkNamespace, string]): void {
    const [[nearSpace, nearAddress], [farSpace, farAddress]] = [near, far];
    const peer = ['peer', 'name', name, 'netns', farSpace.#name];
    nearSpace.ip('link', 'add', name, 'type', 'veth', ...peer);
    for (const [space, address] of [
      [nearSpace, nearAddress],
      [farSpace, farAddress],
    ] as const) {
      space.ip('address', 'add', `${address}/24`, 'dev', name);
      space.ip('link', 'set', name, 'up');
    }
  }

  /** Runs `ip` in the namespace. */
  ip(...args: readonly string[]): void {
    ip('-n', this.#name, ...args);
  }

  /** Runs a program of Node in the namespace; it speaks by messages, and ends with the block. */
  run(args: readonly string[]): NamespacedProgram {
    const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'ipc'];
    return new NamespacedProgram(spawn(PROGRAM, ['netns', 'exec', this.#name, process.execPath, ...args], { stdio }));
  }

  [Symbol.dispose](): void {
    ip('netns', 'delete', this.#name);
  }
}

export class NamespacedProgram implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  send(message: string): void {
    this.#child.send(message);
  }

  /** What the next message says under `name`, after `question` where there is one. */
  async told(name: string, question?: string): Promise<unknown> {
    if (question !== undefined) this.send(question);
    const signal = AbortSignal.timeout(20_000);
    for (;;) {
      const [message] = (await once(this.#child, 'message', { signal })) as [Record<string, unknown>];
      if (name in message) return message[name];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

function ip(...args: readonly string[]): void {
  execFileSync(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function canMakeNamespaces(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const name = `tidegate-${process.pid}-0`;
  try {
    ip('netns', 'add', name);
  } catch {
    return false;
  }
  ip('netns', 'delete', name);
  return true;
}
