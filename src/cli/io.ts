import type { Environment } from './config/index.js';

/** Where a verb writes; a Node stream fits, and so does a test's own. */
export interface Output {
  write(text: string): boolean;
  readonly isTTY?: boolean | undefined;
  /** Width in characters. */
  readonly columns?: number | undefined;
  once?(event: 'drain', listener: () => void): unknown;
}

/** Everything around the process that the CLI touches. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean | undefined };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly cwd: string;
  /** Aborts when the process is told to stop. */
  readonly signal: AbortSignal;
  /** Calls `listener` whenever the process is told to read its configuration again; where that can be. */
  readonly onHangup?: (listener: () => void) => Disposable;
}

/** Writes, and where the reader is slow waits until it has caught up. */
export async function writeFully(output: Output, text: string): Promise<void> {
  if (output.write(text) || output.once === undefined) return;
  await new Promise<void>((resolve) => output.once?.('drain', resolve));
}
