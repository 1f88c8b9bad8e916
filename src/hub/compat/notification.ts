import { quote } from '../../protocol/index.js';
import { userChannel } from '../auth/user-channel.js';
import { HubError } from '../errors.js';
import { checkEvent } from '../event.js';
import type { PublishEvent } from '../event.js';
import { readJsonObject } from '../http/json-object.js';
import type { JsonMember } from '../http/json-object.js';
import { readDataAsWritten, readText } from '../http/publish-body.js';

/** What stands between application and user in the name of a Redis channel. */
const MIDDLE = ':channel:';
/** Bytes of an application's and of a user's name, as in a token. */
const NAME_BYTES_MAX = 256;
/** Others are passed over. */
const MEMBERS = new Set(['id', 'type', 'data']);

/** Redis channels that are read so, as a pattern of Redis. */
export const NOTIFICATION_PATTERN = `*${MIDDLE}*`;

export interface Notification {
  /** The user's own stream. */
  readonly channel: string;
  readonly event: PublishEvent;
}

/**
 * What somebody published on the Redis channel `<application>:channel:<user>`, as the notification service that Tidegate
 * replaces has it: JSON with `id`, `type` and `data`; the data is any JSON and stays as it was written.
 * @throws HubError with the code of what is at fault.
 */
export function readNotification(redisChannel: string, json: string, eventBytesMax: number): Notification {
  const { application, user } = readNames(redisChannel);
  const { id, type, data } = readJsonObject(json, MEMBERS).members;
  if (data === undefined) throw new HubError('missing-data', 'Cannot publish: "data" is missing');
  const event: PublishEvent = {
    ...(isGiven(id) ? { id: readText(id, 'invalid-id', 'id') } : {}),
    ...(isGiven(type) ? { event: readText(type, 'invalid-event-type', 'type') } : {}),
    data: readDataAsWritten(data),
  };
  checkEvent(event, eventBytesMax);
  return { channel: userChannel(application, user), event };
}

/** Where it can be read in two ways it is refused: it would reach a user of another application. */
function readNames(redisChannel: string): { readonly application: string; readonly user: string } {
  const at = redisChannel.indexOf(MIDDLE);
  const [application, user] = [redisChannel.slice(0, Math.max(0, at)), redisChannel.slice(at + MIDDLE.length)];
  if (at !== redisChannel.lastIndexOf(MIDDLE) || !isName(application) || !isName(user))
    throw new HubError('invalid-channel', `Cannot tell whom Redis channel ${quote(redisChannel, 40)} is for`);
  return { application, user };
}

function isName(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= NAME_BYTES_MAX;
}

/** Publishers of that service send all fields, some of them empty. */
function isGiven(member: JsonMember | undefined): member is JsonMember {
  if (member === undefined) return false;
  return member.kind === 'text' ? member.text !== '' : member.json !== 'null';
}
