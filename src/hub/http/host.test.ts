import { describe, expect, it } from 'vitest';

import { isHostAllowed } from './host.js';

const asked = (host: string, ...hosts: readonly string[]): boolean => isHostAllowed({ host }, hosts);

describe('isHostAllowed()', () => {
  it.each([
    'localhost',
    'LOCALHOST:8080',
    'app.localhost',
    'localhost.',
    'hub',
    'my-hub_1:8080',
    '127.0.0.1:80',
    '192.0.2.1',
    '[::1]',
    '[::1]:8080',
  ])('takes %s', (host) => expect(asked(host)).toBe(true));

  it.each([
    'evil.example',
    'evil.example:8080',
    'evil.example.',
    '.',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '::1',
    '[x]',
    '',
    ':80',
  ])('refuses %j', (host) => expect(asked(host)).toBe(false));

  it('takes the names that are listed, in any case and with any port', () => {
    expect(asked('Events.Example:444', 'events.example')).toBe(true);
    expect(asked('x.events.example', 'events.example')).toBe(false);
    expect(asked('evil.example', '*')).toBe(true);
  });

  it('reads the name of HTTP/2, and lets pass who names none', () => {
    expect(isHostAllowed({ ':authority': 'evil.example', host: 'localhost' }, [])).toBe(false);
    expect(isHostAllowed({ ':authority': 'localhost:1' }, [])).toBe(true);
    expect(isHostAllowed({}, [])).toBe(true);
  });
});
