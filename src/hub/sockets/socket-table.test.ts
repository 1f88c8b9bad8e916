import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { socketKey } from './peer-socket.js';
import { readQueuedRows, RowParser } from './socket-table.js';
import type { QueuedRow } from './socket-table.js';

const isLinux = process.platform === 'linux';

/** As Linux 6.18 wrote them. */
const TCP4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 130 1 00000000ad8c10b2 100 0 0 10 0                       
   1: 0100007F:8008 0100007F:8C99 06 00000000:00000000 03:00000E46 00000000     0        0 0 3 0000000009ff6e28                                      
   2: 0100007F:2328 0200007F:A1B2 01 00000000:00000000 00:00000000 00000000  1000        0 5711 1 0000000000000000 20 4 30 10 -1                     
   3: 010A010A:1F90 020A010A:D431 01 000000C5:00000000 01:00000A3D 00000007  1000        0 9801 3 0000000000000000 120 4 30 1 7                      
   4: 010A010A:1F90 030A010A:C350 01 00278D10:00000000 01:0000000F 00000000     0        0 9802 3 0000000000000000 22 4 30 10 -1                     
   5: 010A010A:1F90 040A010A:C351 01 0001F000:00000000 04:00000123 00000000     0        0 9803 3 0000000000000000 22 4 30 10 -1                     
   6: 010A010A:1F90 050A010A:C352 01 0001F000:00000000 04:00001234 00000000     0        6 9804 3 0000000000000000 22 4 30 10 -1                     
12345: 010A010A:1F90 060A010A:C353 04 00000003:00000000 01:00000A3D 00000001 123456        0 0 3 0000000000000000 120 4 30 1 7                    
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:D5F2 01 00000004:00000000 01:00000010 00000003     0        0 4110 2 0000000000000000 20 4 1 10 -1
   1: 0000000000000000FFFF0000010A010A:1F90 0000000000000000FFFF0000020A010A:D432 01 00000019:00000000 01:00000AAA 00000002     0        0 4111 2 0000000000000000 20 4 1 10 -1
   2: B80D01200000000000000000010000AB:1F90 B80D01200000000000000000CDAB0000:0050 01 00000001:00000000 01:00000AAA 00000002     0        0 4112 2 0000000000000000 20 4 1 10 -1
`;

function parse(
  table: string,
  addressDigits: number,
  ports: readonly number[] = [],
  cuts: readonly number[] = [],
): QueuedRow[] {
  const rows: QueuedRow[] = [];
  const parser = new RowParser(addressDigits, new Set(ports), rows);
  const bytes = Buffer.from(table);
  let kept = Buffer.alloc(0);
  let at = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    const part = Buffer.concat([kept, bytes.subarray(at, cut)]);
    // What lies behind the end is of an earlier read.
    const used = parser.push(Buffer.concat([part, Buffer.from('junk\n')]), part.length);
    kept = part.subarray(used);
    at = Math.max(at, cut);
  }
  expect(kept).toHaveLength(0);
  return rows;
}

const EXPECTED = [
  { key: '010A010A:1F90 020A010A:D431', remotePort: 0xd431, queuedBytes: 0xc5, isUnanswered: true },
  { key: '010A010A:1F90 040A010A:C351', remotePort: 0xc351, queuedBytes: 0x1f000, isUnanswered: false },
  { key: '010A010A:1F90 050A010A:C352', remotePort: 0xc352, queuedBytes: 0x1f000, isUnanswered: true },
  { key: '010A010A:1F90 060A010A:C353', remotePort: 0xc353, queuedBytes: 3, isUnanswered: true },
];

describe('RowParser', () => {
  it('tells of queues whose peer takes nothing just now, and passes over all others', () => {
    expect(parse(TCP4, 8)).toEqual(EXPECTED);
  });

  it('tells of any queue of the ports that are asked for', () => {
    const asked = {
      key: '010A010A:1F90 030A010A:C350',
      remotePort: 0xc350,
      queuedBytes: 0x278d10,
      isUnanswered: false,
    };
    expect(parse(TCP4, 8, [0xc350, 0xa1b2])).toEqual([EXPECTED[0], asked, ...EXPECTED.slice(1)]);
  });

  it('reads IPv6, and IPv4 mapped into it', () => {
    expect(parse(TCP6, 32).map(({ key, queuedBytes }) => [key, queuedBytes])).toEqual([
      ['00000000000000000000000001000000:1F90 00000000000000000000000001000000:D5F2', 4],
      ['0000000000000000FFFF0000010A010A:1F90 0000000000000000FFFF0000020A010A:D432', 0x19],
      ['B80D01200000000000000000010000AB:1F90 B80D01200000000000000000CDAB0000:0050', 1],
    ]);
  });

  it('reads the same wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: TCP4.length }), { maxLength: 8 }), (cuts) => {
        expect(parse(TCP4, 8, [], cuts)).toEqual(EXPECTED);
      }),
    );
  });

  it('takes nothing from bytes that are no table', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(' ', ':', '0', 'A', '\n'), fc.string())), (parts) => {
        const text = `${parts.join('')}\n`;
        for (const { remotePort, queuedBytes } of parse(text, 8)) {
          expect(remotePort).toBeGreaterThanOrEqual(0);
          expect(queuedBytes).toBeGreaterThan(0);
        }
      }),
    );
  });
});

function keyOf(localAddress: string, remoteAddress: string): string | undefined {
  const ports = { localPort: 8080, remotePort: 54_321 };
  return socketKey({ localAddress, remoteAddress, ...ports, bytesWritten: 0, writableLength: 0, destroyed: false });
}

describe('socketKey()', () => {
  it('writes addresses as the table does', () => {
    expect(keyOf('10.1.10.1', '10.1.10.2')).toBe('010A010A:1F90 020A010A:D431');
    expect(keyOf('::ffff:10.1.10.1', '::ffff:10.1.10.2')).toBe(
      '0000000000000000FFFF0000010A010A:1F90 0000000000000000FFFF0000020A010A:D431',
    );
    expect(keyOf('::1', '2001:db8::ab00:1')).toBe(
      '00000000000000000000000001000000:1F90 B80D01200000000000000000010000AB:D431',
    );
    expect(keyOf('fe80::1%eth0', '2001:db8:1:2:3:4:5:6')).toBe(
      '000080FE000000000000000001000000:1F90 B80D0120020001000400030006000500:D431',
    );
  });

  it('has none for a Unix socket', () => {
    expect(socketKey({ bytesWritten: 0, writableLength: 0, destroyed: false })).toBeUndefined();
  });
});

/** Both ends of a connection, on `host`. */
async function connectPair(
  listenHost: string,
  host: string,
): Promise<{ near: Socket; far: Socket; close: () => void }> {
  const server = createServer().listen(0, listenHost);
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, host);
  const [near] = (await once(server, 'connection')) as [Socket];
  const close = (): void => {
    far.destroy();
    near.destroy();
    server.close();
  };
  return { near, far, close };
}

describe.skipIf(!isLinux)('readQueuedRows() (needs Linux)', () => {
  it.each([
    ['IPv4', '127.0.0.1', '127.0.0.1'],
    ['IPv4 on a socket of IPv6', '::', '127.0.0.1'],
    ['IPv6', '::1', '::1'],
  ])('finds a queue that is not taken, over %s', async (_, listenHost, host) => {
    const { near, far, close } = await connectPair(listenHost, host);
    far.pause();
    const chunk = Buffer.alloc(1024 * 1024);
    while (near.write(chunk));
    const key = socketKey(near);
    await expect
      .poll(async () => (await readQueuedRows(new Set())).find((row) => row.key === key)?.queuedBytes ?? 0, {
        timeout: 10_000,
      })
      .toBeGreaterThan(10_000);
    close();
  });

  it('reads a table of many pages whole', async () => {
    const pairs = await Promise.all(Array.from({ length: 100 }, () => connectPair('127.0.0.1', '127.0.0.1')));
    const rows = (await readFile('/proc/net/tcp', 'latin1')).trimEnd().split('\n').length;
    expect(rows).toBeGreaterThan(200);
    for (const { near, far } of pairs) {
      far.pause();
      while (near.write(Buffer.alloc(256 * 1024)));
    }
    const ports = new Set(pairs.map(({ far }) => far.localPort ?? 0));
    const keys = new Set((await readQueuedRows(ports)).map(({ key }) => key));
    for (const { near } of pairs) expect(keys).toContain(socketKey(near));
    for (const { close } of pairs) close();
  });
});
