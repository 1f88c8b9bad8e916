import { HubError } from '../../errors.js';
import { checkEvent } from '../../event.js';
import { readNotification } from '../notification.js';
import type { BridgedEvent } from './bridge-port.js';
import type { HeardMessage } from './heard.js';

export interface MessageReaderOptions {
  /** Redis channels whose messages are the data of events, and the channels that these go to. */
  readonly channels: readonly { readonly redisChannel: string; readonly channel: string }[];
  /** Bytes of an event; a message may have a little more, for its names and braces. */
  readonly eventBytesMax: number;
}

export interface MessageReader {
  /** What is kept of a message: nothing of one that is too large anyway. */
  hear(channel: Buffer, payload: Buffer): HeardMessage;
  /** @throws HubError `event-too-large`, `invalid-encoding`, or as the form of the message has it. */
  read(message: HeardMessage): BridgedEvent;
}

/** Bytes of a message beside its data: id, type, their names, and some space. */
const AROUND_BYTES = 4096;
const NOTHING = Buffer.alloc(0);

/** Reads what comes on Redis channels: plain data on those that are listed, notifications on all others. */
export function createMessageReader({ channels, eventBytesMax }: MessageReaderOptions): MessageReader {
  const listed = new Map(channels.map(({ redisChannel, channel }) => [redisChannel, channel]));
  const bytesMax = eventBytesMax + AROUND_BYTES;
  return {
    hear(channel, payload) {
      const bytes = payload.length;
      return { channel, payload: bytes > bytesMax ? NOTHING : payload, bytes };
    },
    read({ channel, payload, bytes }) {
      if (bytes > bytesMax)
        throw new HubError(
          'event-too-large',
          `Cannot publish a message of ${bytes} bytes: ${eventBytesMax} are allowed`,
        );
      const name = decode(channel, 'invalid-channel');
      const text = decode(payload, 'invalid-encoding');
      const target = listed.get(name);
      if (target === undefined) return readNotification(name, text, eventBytesMax);
      checkEvent({ data: text }, eventBytesMax);
      return { channel: target, event: { data: text } };
    },
  };
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer, code: 'invalid-channel' | 'invalid-encoding'): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new HubError(code, 'Cannot publish what is no UTF-8');
  }
}
