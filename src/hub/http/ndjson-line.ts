import { HubError } from '../errors.js';

/** The error of one event of a batch, with its line in the body, from 1; any other error as it is. */
export function withLine(error: unknown, body: string): unknown {
  if (!(error instanceof HubError) || error.event === undefined) return error;
  const line = lineOfEvent(body, error.event);
  return new HubError(error.code, `Nothing was published: line ${line}: ${error.message}`, { line });
}

/** Empty lines are no events. */
function lineOfEvent(body: string, event: number): number {
  let left = event;
  let number = 0;
  for (const line of body.split('\n')) {
    number += 1;
    if (line.trim() === '') continue;
    if (left === 0) return number;
    left -= 1;
  }
  return number;
}
