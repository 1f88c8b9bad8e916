import { describe, expect, it } from 'vitest';
import { problemOf } from './problem.js';

describe('problemOf()', () => {
  it('takes code and detail from problem+json', () => {
    const body = JSON.stringify({
      status: 400,
      code: 'invalid-channel',
      title: 'Bad',
      detail: 'Cannot use channel ".."',
    });
    expect(problemOf(400, body)).toEqual({ code: 'invalid-channel', detail: 'Cannot use channel ".."' });
  });

  it('makes do with less', () => {
    expect(problemOf(403, '{"title": "Forbidden"}')).toEqual({ code: 'http-403', detail: 'Forbidden' });
    expect(problemOf(502, '<html>Bad gateway</html>')).toEqual({ code: 'http-502', detail: 'The hub answered 502' });
    expect(problemOf(500, '')).toEqual({ code: 'http-500', detail: 'The hub answered 500' });
    expect(problemOf(429, 'slow down')).toEqual({ code: 'http-429', detail: 'slow down' });
  });
});
