import { describe, expect, it } from 'vitest';
import { createLogger } from './index.js';
import type { LogFormat, Logger, LogLevel } from './index.js';

function capture(level: LogLevel, format: LogFormat): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (text: string) => lines.push(text) };
  return { logger: createLogger({ level, format, destination }), lines };
}

describe('createLogger()', () => {
  it('writes a JSON object a line, with level, time, fields and message', () => {
    const { logger, lines } = capture('info', 'json');
    logger.child({ part: 'hub' }).info({ port: 8080 }, 'Listening');
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    expect(line).toMatchObject({ level: 'info', part: 'hub', port: 8080, message: 'Listening' });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leaves out what is below its level', () => {
    const { logger, lines } = capture('warn', 'json');
    logger.info({}, 'no');
    logger.warn({}, 'yes');
    expect(lines.join('')).toContain('yes');
    expect(lines).toHaveLength(1);
  });

  it.each(['json', 'pretty'] as const)('never writes a secret (%s)', (format) => {
    const { logger, lines } = capture('debug', format);
    const secrets = { authorization: 'S3', Authorization: 'S3', cookie: 'S3', token: 'S3', 'set-cookie': 'S3' };
    logger.info({ ...secrets, headers: secrets, request: { headers: secrets } }, 'Request');
    expect(lines.join('')).toContain('[redacted]');
    expect(lines.join('')).not.toContain('S3');
  });

  it('writes the stack of an error at debug only', () => {
    const error = Object.assign(new Error('Cannot do'), { code: 'no-way' });
    const info = capture('info', 'json');
    info.logger.error({ error }, 'Failed');
    expect(JSON.parse(info.lines[0] ?? '')).toMatchObject({ error: { code: 'no-way', message: 'Cannot do' } });
    expect(info.lines[0]).not.toContain('logger.test');
    const debug = capture('debug', 'json');
    debug.logger.error({ error }, 'Failed');
    expect(debug.lines[0]).toContain('logger.test');
  });

  it('writes a short line for people, with foreign text escaped', () => {
    const { logger, lines } = capture('info', 'pretty');
    logger.warn({ port: 8080, channel: 'a b\u009b31m\u001b[2J' }, 'Slow');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}Slow port=8080 channel="a b\\u009b31m\\u001b\[2J"\n$/);
  });
});
