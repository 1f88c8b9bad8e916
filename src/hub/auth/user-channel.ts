/** What `/subscribe` can never name: a channel name has no slash (PROTOCOL.md, 2.1). */
const PREFIX = '/users/';

/** Everything but these is written as `%` and four hexadecimal digits, `%` and `/` included. */
const UNSAFE = /[^A-Za-z0-9._~@-]/g;

/**
 * The internal name of a user's own stream (PROTOCOL.md, 11.7). No two pairs share one, whatever is in them: each
 * UTF-16 unit is encoded by itself, to a fixed width, so halves of surrogate pairs stay apart in UTF-8 too.
 */
export function userChannel(application: string, user: string): string {
  return `${PREFIX}${encode(application)}/${encode(user)}`;
}

/** Whether `name` is that of a user's own stream, which no list of channels shows. */
export function isUserChannel(name: string): boolean {
  return name.startsWith(PREFIX);
}

function encode(text: string): string {
  return text.replace(UNSAFE, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
