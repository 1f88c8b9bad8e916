import type { Question } from '../question.js';
import { ANSWER_MS } from './limits.js';
import { parseObject } from './replies.js';

type Message =
  | { readonly kind: 'question'; readonly from: string; readonly id: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };

export interface QuestionsOptions {
  readonly nodeId: string;
  /** Sends a message to a node. */
  readonly send: (nodeId: string, message: string) => Promise<unknown>;
  readonly answer: (question: Question) => Promise<unknown>;
}

/** Questions between the nodes of a hub, and their answers. */
export class Questions {
  readonly #options: QuestionsOptions;
  readonly #asked = new Map<number, (answer: unknown) => void>();
  #lastId = 0;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Undefined where the node does not answer in time. */
  ask(nodeId: string, question: Question): Promise<unknown> {
    const { nodeId: from, send, answer } = this.#options;
    if (nodeId === from) return answer(question);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const settle = (reply: unknown): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(reply);
      };
      const timer = setTimeout(() => settle(undefined), ANSWER_MS);
      this.#asked.set(id, settle);
      send(nodeId, JSON.stringify({ kind: 'question', from, id, question } satisfies Message)).catch(() =>
        settle(undefined),
      );
    });
  }

  /** Takes a message for this node. @throws SyntaxError where no node wrote it. */
  take(text: string): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a node of the same program wrote it
    const message = parseObject(text) as Message;
    if (message.kind === 'answer') this.#asked.get(message.id)?.(message.answer);
    else void this.#answer(message.from, message.id, message.question);
  }

  close(): void {
    for (const settle of this.#asked.values()) settle(undefined);
  }

  async #answer(to: string, id: number, question: Question): Promise<void> {
    const { answer, send } = this.#options;
    try {
      const message: Message = { kind: 'answer', id, answer: await answer(question) };
      await send(to, JSON.stringify(message));
    } catch {
      // Who asked stops waiting by itself.
    }
  }
}
