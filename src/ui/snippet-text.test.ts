import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { curlPublish, curlSubscribe, eventSourceCode } from './snippet-text.js';

/** The arguments that a shell makes of a command; `printf` in the place of its first word. */
function argumentsOf(command: string): readonly string[] {
  const printed = execFileSync('sh', ['-c', command.replace(/^curl/, "printf '%s\\n'")], { encoding: 'utf8' });
  return printed.trimEnd().split('\n');
}

describe('curlPublish()', () => {
  it('is a command that a shell reads as meant, whatever the channel is called', () => {
    for (const channel of ["it's $(id) & more", 'plain', 'ünï', '!$&()+,;='])
      expect(argumentsOf(curlPublish('http://127.0.0.1:8080/base/', channel))).toEqual([
        `http://127.0.0.1:8080/base/publish/${encodeURIComponent(channel)}`,
        '-H',
        'Content-Type: application/json',
        '-d',
        '{"data": {"text": "hello"}}',
      ]);
  });
});

describe('curlSubscribe()', () => {
  it('streams without buffering', () => {
    expect(curlSubscribe('http://127.0.0.1:8080/', 'demo')).toBe('curl -N http://127.0.0.1:8080/subscribe/demo');
  });
});

describe('eventSourceCode()', () => {
  it('cannot be broken out of by an event type', () => {
    const code = eventSourceCode('http://127.0.0.1:8080/', 'demo', '"); alert(1); ("');
    expect(code).toContain('stream.addEventListener("\\"); alert(1); (\\"", ');
  });
});
