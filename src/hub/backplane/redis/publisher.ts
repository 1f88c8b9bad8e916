import { quote } from '../../../protocol/index.js';
import type { Cursor } from '../../../protocol/index.js';
import type { ChannelRules } from '../../channel-rules.js';
import type { BridgeMove, BridgeOutcome } from '../../compat/bridge/bridge-port.js';
import { HUB_ERROR_CODES, HubError } from '../../errors.js';
import type { HubErrorCode } from '../../errors.js';
import { asHubError } from '../../event.js';
import type { PublishEvent } from '../../event.js';
import { encodeBody, encodeEndBody } from '../../frame.js';
import type { FrameBody } from '../../frame.js';
import { fingerprintOf, mismatch } from '../../idempotency.js';
import { latestKey } from '../../latest-history.js';
import { OWN_PUBLISHER } from '../../store.js';
import type { Publication, Published } from '../backplane.js';
import { encodePublication } from './encode-publication.js';
import type { EncodablePublication } from './encode-publication.js';
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BATCHES_MAX } from './limits.js';
import { WAITING_BYTES_MAX, WAITING_PUBLICATIONS_MAX } from './limits.js';
import { listOf, numberOf, textOf } from './replies.js';
import type { Reply } from './replies.js';

export interface PublisherOptions {
  /** Runs the publishing script on a batch; `EPOCH` where another epoch has begun. */
  readonly run: (batch: readonly Buffer[]) => Promise<Reply>;
  /** Whether Redis can be asked now. */
  readonly isReady: () => boolean;
  /** Another epoch has begun: find out which, then call {@link Publisher.flush}. */
  readonly onForeignEpoch: () => void;
  readonly formatCursor: (offset: number) => Cursor;
  readonly rules: ChannelRules;
  /** How long a publication may wait. */
  readonly timeoutMs: number;
}

/** How a channel is ended. */
export interface EndOptions {
  /** Not where it had an event behind that time (0: whatever it had). */
  readonly quietSinceMs?: number;
  /** To whom it is charged where it is not there yet. */
  readonly publisher?: string | undefined;
}

/** One publication on its way, as the script reads it. */
interface Waiting {
  readonly bytes: Buffer;
  /** Events that it places, over all its channels. */
  readonly events: number;
  readonly deadlineMs: number;
  readonly resolve: (answer: readonly Reply[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Collects what is published in one turn, and while other batches are under way, and has Redis place it in one step. */
export class Publisher {
  readonly #options: PublisherOptions;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #underWay = 0;
  #isScheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** @throws HubError as {@link import('../backplane.js').Backplane.publish} does. */
  async publish({ channels, events, publisher = OWN_PUBLISHER }: Publication): Promise<readonly Published[]> {
    const bytes = this.#encode({ kind: 'publish', publisher }, channels, events);
    const answer = await this.#place(bytes, events.length * channels.length);
    this.#throwRefusal(answer, channels, events);
    return channels.flatMap((channel, at) => {
      const placed = answer[at];
      if (Array.isArray(placed))
        return events.map((event, number) => this.#published(channel, event, listOf(placed)[number]));
      const first = numberOf(placed);
      return events.map((event, number) => this.#published(channel, event, first + number));
    });
  }

  /** Makes a step of the bridge, with its event where it has one. @throws HubError `backplane-busy`, `backplane-unavailable`, or as the encoder refuses. */
  async bridge({ from, to, event }: BridgeMove): Promise<BridgeOutcome> {
    const { term, index } = from ?? { term: -1, index: -1 };
    const step = { kind: 'bridge', publisher: `${term} ${index} ${to.term} ${to.index}` } as const;
    const bytes = event === undefined ? this.#encode(step, [], []) : this.#encode(step, [event.channel], [event.event]);
    const [code] = await this.#place(bytes, 1);
    if (!Buffer.isBuffer(code)) return 'placed';
    const said = code.toString();
    return said === 'known' || said === 'moved' ? said : { refused: codeOf(said) };
  }

  /** False where it had ended. */
  async end(channel: string, { quietSinceMs = 0, publisher = OWN_PUBLISHER }: EndOptions = {}): Promise<boolean> {
    const bytes = encodePublication({
      kind: 'end',
      quietSinceMs,
      publisher,
      channels: [{ name: channel, newestOf: undefined }],
      events: [{ body: encodeEndBody({ channel }), isEnd: true }],
      keys: [],
      prints: [],
    });
    const answer = await this.#place(bytes, 1);
    this.#throwRefusal(answer, [channel], []);
    return answer.length > 0;
  }

  /** Sends what waits, as far as it can be sent now. */
  flush(): void {
    this.#isScheduled = false;
    while (this.#waiting.length > 0 && this.#underWay < BATCHES_MAX && this.#options.isReady()) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      this.#underWay += 1;
      void this.#send(batch).finally(() => {
        this.#underWay -= 1;
        this.#schedule();
      });
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiting.splice(0)) reject(unavailable());
  }

  #encode(
    head: Pick<EncodablePublication, 'kind' | 'publisher'>,
    channels: readonly string[],
    events: readonly PublishEvent[],
  ): Buffer {
    const hasKeys = events.some(({ idempotencyKey }) => idempotencyKey !== undefined);
    const isPrinted = hasKeys && channels.some((name) => this.#options.rules.of(name).slow === 'latest');
    return encodePublication({
      ...head,
      quietSinceMs: 0,
      channels: channels.map((name) => ({ name, newestOf: this.#newestOf(name, events) })),
      events: events.map((event) => ({ body: encodeChecked(event), isEnd: false })),
      keys: hasKeys ? events.map(({ idempotencyKey = '' }) => idempotencyKey) : [],
      prints: isPrinted ? events.map((event) => fingerprintOf(event)) : [],
    });
  }

  /** What each event is the newest of, where the channel keeps only that. */
  #newestOf(channel: string, events: readonly PublishEvent[]): readonly string[] | undefined {
    const { slow, pointer } = this.#options.rules.of(channel);
    if (slow !== 'latest') return undefined;
    return events.map(({ event = '', data }) => latestKey({ event: event === '' ? 'message' : event, data }, pointer));
  }

  #place(bytes: Buffer, events: number): Promise<readonly Reply[]> {
    if (this.#waiting.length >= WAITING_PUBLICATIONS_MAX || this.#waitingBytes + bytes.length > WAITING_BYTES_MAX)
      throw new HubError('backplane-busy', 'Cannot publish now: too much waits for Redis');
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + this.#options.timeoutMs;
      this.#waiting.push({ bytes, events, deadlineMs, resolve, reject });
      this.#waitingBytes += bytes.length;
      this.#schedule();
      this.#timer ??= setTimeout(() => this.#expire(), this.#options.timeoutMs);
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.flush());
  }

  #takeBatch(): readonly Waiting[] {
    let [count, events, bytes] = [0, 0, 0];
    for (const item of this.#waiting) {
      if (count > 0 && (events + item.events > BATCH_EVENTS_MAX || bytes + item.bytes.length > BATCH_BYTES_MAX)) break;
      count += 1;
      events += item.events;
      bytes += item.bytes.length;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    try {
      const reply = await this.#options.run(batch.map(({ bytes }) => bytes));
      if (textOf(reply) === 'EPOCH') return this.#putBack(batch);
      const [, ...answers] = listOf(reply);
      for (const [at, { resolve }] of batch.entries()) resolve(listOf(answers[at]));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** Nothing of it was placed. */
  #putBack(batch: readonly Waiting[]): void {
    this.#waiting = [...batch, ...this.#waiting];
    this.#waitingBytes += batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#options.onForeignEpoch();
  }

  /** Refuses what has waited too long. */
  #expire(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    let late = 0;
    while ((this.#waiting[late]?.deadlineMs ?? Infinity) <= nowMs) late += 1;
    for (const { reject, bytes } of this.#waiting.splice(0, late)) {
      this.#waitingBytes -= bytes.length;
      reject(unavailable());
    }
    const next = this.#waiting[0];
    if (next !== undefined) this.#timer = setTimeout(() => this.#expire(), Math.max(1, next.deadlineMs - nowMs));
  }

  #published(channel: string, event: PublishEvent, answer: Reply | undefined): Published {
    const isDuplicate = Array.isArray(answer);
    const [offset, ownId] = isDuplicate ? listOf(answer) : [answer];
    const cursor = this.#options.formatCursor(numberOf(offset));
    const id = isDuplicate ? textOf(ownId) : (event.id ?? '');
    return { channel, id: id === '' ? cursor : id, cursor, isDuplicate };
  }

  /** @throws HubError where the script refused. */
  #throwRefusal(answer: readonly Reply[], channels: readonly string[], events: readonly PublishEvent[]): void {
    const [code, number] = answer;
    if (!Buffer.isBuffer(code)) return;
    const at = numberOf(number) - 1;
    if (code.toString() === 'idempotency-mismatch') throw mismatch(events[at]?.idempotencyKey ?? '', at);
    throw refusalOf(code.toString(), numberOf(number), channels);
  }
}

function codeOf(said: string): HubErrorCode {
  return Object.hasOwn(HUB_ERROR_CODES, said) ? (said as HubErrorCode) : 'internal';
}

function refusalOf(code: string, number: number, channels: readonly string[]): Error {
  switch (code) {
    case 'publish-rate-exceeded':
      return new HubError(code, `Cannot publish more events a second: try again in ${number} ms`);
    case 'too-many-channels':
      return new HubError(code, `Cannot open channel ${quote(channels.join(' '))}: the hub holds ${number}`);
    case 'channel-ended':
      return new HubError(code, `Cannot publish to channel ${quote(channels[number - 1] ?? '')}: it has ended`);
    default:
      return new Error(`The publishing script answered ${code}`);
  }
}

function unavailable(): HubError {
  return new HubError('backplane-unavailable', 'Cannot publish now: Redis is not there');
}

function encodeChecked(event: PublishEvent): FrameBody {
  try {
    return encodeBody(event);
  } catch (error) {
    throw asHubError(error);
  }
}
