import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Runs a program of this folder in a process of its own and reads the one line of JSON that it prints. */
export async function runProgram<Result>(file: string, options: object): Promise<Result> {
  const child = spawn(process.execPath, ['--import', 'tsx', join('bench', file), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Result;
}

/** Runs a program of this folder in a process of its own until it is disposed of. */
export function startProgram(file: string, options: object): Disposable {
  const child = spawn(process.execPath, ['--import', 'tsx', join('bench', file), JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}
