import { describe, expect, it } from 'vitest';

import { readBareHead } from './bare-request.js';

const read = (text: string) => readBareHead(Buffer.from(text, 'latin1'));

describe('readBareHead()', () => {
  it('reads what a browser sends', () => {
    const head = read(
      'GET /subscribe/a?last=5 HTTP/1.1\r\nHost: localhost:8080\r\nAccept: text/event-stream\r\nX-Empty:\r\nCookie:  a=b; c="d e" \t\r\nLast-Event-ID: \xc3\xa4\r\n\r\n',
    );
    expect(head).toEqual({
      method: 'GET',
      url: '/subscribe/a?last=5',
      httpVersionMajor: 1,
      headers: Object.assign(Object.create(null), {
        host: 'localhost:8080',
        accept: 'text/event-stream',
        'x-empty': '',
        cookie: 'a=b; c="d e"',
        'last-event-id': '\xc3\xa4',
      }),
    });
  });

  const host = 'Host: h\r\n';
  it.each([
    ['a body by length', `GET / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\n`],
    ['a chunked body', `GET / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`],
    ['a space before the colon', `GET / HTTP/1.1\r\n${host}Content-Length : 5\r\n\r\n`],
    ['a folded header', `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`],
    ['a bare line feed', `GET / HTTP/1.1\r\n${host}X: a\nContent-Length: 5\r\n\r\n`],
    ['a bare carriage return', `GET / HTTP/1.1\r\n${host}X: a\rY: b\r\n\r\n`],
    ['a NUL', `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
    ['a header twice', `GET / HTTP/1.1\r\n${host}${host}\r\n`],
    ['a header twice in another case', `GET / HTTP/1.1\r\n${host}hOST: h\r\n\r\n`],
    ['no host', 'GET / HTTP/1.1\r\nAccept: */*\r\n\r\n'],
    ['a second request behind it', `GET / HTTP/1.1\r\n${host}\r\nGET / HTTP/1.1\r\n${host}\r\n`],
    ['bytes behind it', `GET / HTTP/1.1\r\n${host}\r\nx`],
    ['half a head', `GET / HTTP/1.1\r\n${host}`],
    ['HTTP/1.0', `GET / HTTP/1.0\r\n${host}\r\n`],
    ['another method', `POST / HTTP/1.1\r\n${host}\r\n`],
    ['an absolute target', `GET http://h/ HTTP/1.1\r\n${host}\r\n`],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${host}\r\n`],
    ['an upgrade', `GET / HTTP/1.1\r\n${host}Upgrade: websocket\r\n\r\n`],
    ['a connection option', `GET / HTTP/1.1\r\n${host}Connection: keep-alive, upgrade\r\n\r\n`],
    ['a wait for 100', `GET / HTTP/1.1\r\n${host}Expect: 100-continue\r\n\r\n`],
    ['too long a head', `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(9000)}\r\n\r\n`],
    ['nothing', ''],
    ['TLS', '\x16\x03\x01\x02\x00\x01'],
  ])('leaves %s to the real parser', (_name, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('takes no name of the prototype for a header', () => {
    expect(read(`GET / HTTP/1.1\r\n${host}\r\n`)?.headers['constructor']).toBeUndefined();
    expect(read(`GET / HTTP/1.1\r\n${host}__proto__: x\r\n\r\n`)?.headers.authorization).toBeUndefined();
  });
});
