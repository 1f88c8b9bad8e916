import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

export interface ForegroundServer {
  readonly program: string;
  readonly args: readonly string[];
  /** Of 127.0.0.1, where it will listen. */
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a server of other people in the foreground; resolves when it listens. */
export async function startForegroundServer({
  program,
  args,
  port,
  env = {},
}: ForegroundServer): Promise<AsyncDisposable> {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  const gone = once(child, 'exit');
  while (child.exitCode === null && !(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 20));
  if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (isThere: boolean) => (): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });
}
