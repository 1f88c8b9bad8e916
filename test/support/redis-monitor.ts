import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** Everything that a Redis does from now on. */
export interface RedisMonitor extends Disposable {
  /** Names of commands, in capitals; also of those that a script runs. */
  readonly commands: ReadonlySet<string>;
}

/** `1700000000.123456 [0 127.0.0.1:1234] "EVALSHA" …`; of a script: `[0 lua] "RPUSH" …`. */
const LINE = /^\+\d+\.\d+ \[[^\]]+\] "([^"]+)"/;

/** Resolves when Redis has begun to tell; it ends with Redis. */
export async function monitorRedis(port: number): Promise<RedisMonitor> {
  const socket = connect(port, '127.0.0.1');
  const commands = new Set<string>();
  socket.write('MONITOR\r\n');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    createInterface({ input: socket }).on('line', (line) => {
      if (line === '+OK') resolve();
      const [, command] = LINE.exec(line) ?? [];
      if (command !== undefined) commands.add(command.toUpperCase());
    });
  });
  // It is told of a killed Redis by a reset.
  socket.on('error', () => undefined);
  return { commands, [Symbol.dispose]: () => void socket.destroy() };
}
