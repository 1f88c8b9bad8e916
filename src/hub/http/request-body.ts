import type { IncomingMessage } from 'node:http';
import { constants } from 'node:http2';
import { finished } from 'node:stream';

import type { Clock } from '../../base/index.js';
import type { BodyShare } from '../body-share.js';
import type { Departure } from '../departure.js';
import { HubError } from '../errors.js';
import { BODY_BYTES_MIN, BODY_WINDOW_MS } from '../limits.js';
import { BodyParts } from './body-parts.js';
import { http2StreamOf } from './outlet.js';

/** A byte order mark is a part of the text: its form says what becomes of it (PROTOCOL.md, 6.1). */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes and time for which a refused body is still taken: a client that is sending must get to hear the answer. */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 2000;

interface BodyLimits {
  readonly bytesMax: number;
  readonly share: BodyShare;
  /** Whose share it counts against. */
  readonly publisher: string;
  readonly clock: Clock;
  /** A body that has yet to arrive when the hub goes is refused. */
  readonly departure: Departure;
}

/**
 * The whole body as text.
 * @throws HubError `body-too-large` over `bytesMax`, `too-many-bodies` if the share is used up, `body-timeout` if less than
 * 10 KiB came in 10 s, `body-incomplete` if the client goes away, `invalid-encoding`, `draining` if the hub goes before the
 * body is there.
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > limits.bytesMax) throw tooLarge(limits.bytesMax);
  const bytes = await collect(request, limits);
  try {
    return decoder.decode(bytes);
  } catch {
    throw new HubError('invalid-encoding', 'Cannot publish: the body is not UTF-8');
  }
}

function collect(
  request: IncomingMessage,
  { bytesMax, share, publisher, clock, departure }: BodyLimits,
): Promise<Uint8Array> {
  // Gone while the caller was asked about: no event would ever tell of it.
  if (request.destroyed) return Promise.reject(cutShort());
  return new Promise((resolve, reject) => {
    const parts = new BodyParts();
    let letGo: (() => void) | undefined;
    const stopWatch = watchPace(parts, clock, () => settle(() => reject(tooSlow())));
    const take = (part: Uint8Array): void => {
      if (parts.bytes + part.length > bytesMax) return settle(() => reject(tooLarge(bytesMax)));
      if (!share.take(publisher, part.length)) return settle(() => reject(tooMany()));
      parts.add(part);
    };
    const finish = (): void => settle(() => (isCut(request) ? reject(cutShort()) : resolve(parts.whole())));
    const fail = (): void => settle(() => reject(cutShort()));
    const settle = (act: () => void): void => {
      stopWatch();
      share.giveBack(publisher, parts.bytes);
      letGo?.();
      request.off('data', take).off('end', finish).off('error', fail).off('close', fail);
      act();
    };
    request.on('data', take).on('end', finish).on('error', fail).on('close', fail);
    letGo = departure.onBegin(() => settle(() => reject(draining())));
  });
}

/** Calls `onSlow` after the first {@link BODY_WINDOW_MS} in which too little came; returns how to stop that. */
function watchPace(parts: BodyParts, clock: Clock, onSlow: () => void): () => void {
  let bytesBefore = 0;
  const look = (): void => {
    if (parts.bytes - bytesBefore < BODY_BYTES_MIN) return onSlow();
    bytesBefore = parts.bytes;
    cancel = clock.after(BODY_WINDOW_MS, look);
  };
  let cancel = clock.after(BODY_WINDOW_MS, look);
  return () => cancel();
}

/**
 * The body's bytes as they come, for as long as the client likes; the request is left open for an answer.
 * @throws Error of Node where the client goes away before its end; HubError `draining` when the hub goes.
 */
export async function* readChunks(
  request: IncomingMessage,
  departure: Departure,
): AsyncGenerator<Uint8Array, void, undefined> {
  const arrived: Uint8Array[] = [];
  let outcome: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const take = (chunk: Uint8Array): void => {
    arrived.push(chunk);
    // Taken one at a time: what is not published yet stays with the system, and so with the client.
    request.pause();
    wake?.();
  };
  const end = (error: unknown): void => {
    outcome ??= { error };
    wake?.();
  };
  const letGo = departure.onBegin(() => end(draining()));
  const ignoreEnd = finished(request, { writable: false }, end);
  request.on('data', take);
  try {
    for (;;) {
      yield* arrived.splice(0);
      if (outcome !== undefined) break;
      request.resume();
      await new Promise<void>((resolve) => (wake = resolve));
    }
    yield* arrived.splice(0);
    if (outcome.error !== undefined && outcome.error !== null) throw outcome.error;
  } finally {
    letGo();
    ignoreEnd();
    // Whatever still comes is for nobody; paused, it would keep the answer's connection from closing.
    request.off('data', take).resume();
  }
}

function draining(): HubError {
  return new HubError('draining', 'Cannot publish: the hub is shutting down');
}

/** Whether an HTTP/2 client took its request back. Node lets the body of one that gave no error end as if it were whole. */
function isCut(request: IncomingMessage): boolean {
  return http2StreamOf(request)?.aborted ?? false;
}

function cutShort(): HubError {
  return new HubError('body-incomplete', 'Cannot publish: the connection was cut inside the body');
}

/** Takes what a refused client still sends, for a while: closing on unread bytes would destroy the answer. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  const http2Stream = http2StreamOf(request);
  // On HTTP/2 that says "send no more" (RFC 9113, 8.1) and leaves the answer whole.
  const stop = (): void => void (http2Stream ? http2Stream.close(constants.NGHTTP2_NO_ERROR) : request.destroy());
  const cut = setTimeout(stop, LINGER_MS).unref();
  request.on('error', () => undefined);
  request.on('close', () => clearTimeout(cut)).on('end', () => clearTimeout(cut));
  request.on('data', (part: Uint8Array) => {
    bytes += part.length;
    if (bytes > LINGER_BYTES) stop();
  });
}

function tooMany(): HubError {
  return new HubError(
    'too-many-bodies',
    'Cannot take the body: bodies that are still arriving use all the room, or those of this publisher a quarter of it',
  );
}

function tooSlow(): HubError {
  const message = `Cannot publish: less than ${BODY_BYTES_MIN} bytes of the body came in ${BODY_WINDOW_MS} ms`;
  return new HubError('body-timeout', message);
}

function tooLarge(bytesMax: number): HubError {
  return new HubError('body-too-large', `Cannot publish a body of more than ${bytesMax} bytes`);
}
