import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE, createCertificate } from '../../test/support/certificate.js';
import { start } from '../../test/support/cli.js';
import { Http2Client } from '../../test/support/http2-client.js';

const SERVE = ['serve', '--port', '0', '--hub.drainMs', '10'];

describe.skipIf(CERTIFICATE === undefined)('tidegate serve --http.tls.* (needs openssl)', () => {
  let cwd = '';
  beforeAll(() => {
    cwd = mkdtempSync(join(tmpdir(), 'tidegate-tls-'));
    writeFileSync(join(cwd, 'cert.pem'), CERTIFICATE?.cert ?? '');
    writeFileSync(join(cwd, 'key.pem'), CERTIFICATE?.key ?? '');
    writeFileSync(join(cwd, 'other-key.pem'), createCertificate()?.key ?? '');
    writeFileSync(join(cwd, 'text.pem'), 'secret words');
  });
  afterAll(() => rmSync(cwd, { recursive: true }));

  it('serves HTTP/2, says so in its URL, and stops while a stream is open', async () => {
    const settings = 'http: {tls: {cert: cert.pem, key: key.pem}}';
    writeFileSync(join(cwd, 'tls.yaml'), settings);
    await using hub = start([...SERVE, '--config', 'tls.yaml'], { cwd });
    const [, url = ''] = await hub.stdout.until(/"url":"(https:[^"]+)"/);
    await using client = new Http2Client(url, CERTIFICATE?.cert ?? '');
    const stream = await (await client.subscribe('a')).event('tidegate.live');
    expect(await hub.interrupt()).toBe(0);
    expect((await stream.closed()).types).toContain('tidegate.error');
  });

  it.each([
    ['a certificate alone', ['cert.pem', undefined], 2, 'without http.tls.key: TLS needs', 'contradiction'],
    ['a key alone', [undefined, 'key.pem'], 2, 'without http.tls.cert: TLS needs', 'contradiction'],
    ['no such file', ['none.pem', 'key.pem'], 1, 'Cannot read http.tls.cert', 'unreadable-file'],
    ['a folder', ['cert.pem', '.'], 1, 'EISDIR', 'unreadable-file'],
    ['no certificate', ['text.pem', 'key.pem'], 2, '"text.pem": it is no certificate in PEM', 'bad-value'],
    ['no key', ['cert.pem', 'text.pem'], 2, '"text.pem": it is no private key in PEM', 'bad-value'],
    ['the key of another', ['cert.pem', 'other-key.pem'], 2, 'it is not the key of "cert.pem"', 'bad-value'],
  ] as const)('refuses %s in one sentence', async (_what, [cert, key], exit, sentence, code) => {
    const flags = [
      ...(cert === undefined ? [] : ['--http.tls.cert', cert]),
      ...(key === undefined ? [] : ['--http.tls.key', key]),
    ];
    await using hub = start([...SERVE, ...flags], { cwd });
    expect(await hub.exit).toBe(exit);
    expect(hub.stderr.text).toContain(sentence);
    expect(hub.stderr.text).toMatch(new RegExp(`^error .+ \\[${code}\\]\\n$`));
    expect(hub.stderr.text).not.toContain('secret words');
  });
});
