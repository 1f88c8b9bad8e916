import type { ConnectionOwner } from './backplane.js';

/** What one process of a hub asks of another: what it has counted, or about a connection that it holds. */
export type Question = { readonly ask: 'report' } | { readonly ask: 'end' | 'behind'; readonly connectionId: string };

/** What `owner` says to it; undefined before there is one. */
export async function answerQuestion(owner: ConnectionOwner | undefined, question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'report':
      return owner?.report();
    case 'behind':
      return owner?.eventsBehind(question.connectionId);
    case 'end':
      return owner?.end(question.connectionId);
  }
}
