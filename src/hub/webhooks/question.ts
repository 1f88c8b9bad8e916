import type { Access } from '../auth/access.js';
import type { ChannelAction } from '../auth/grants.js';

/** What an authorizer is asked. */
export interface Question {
  readonly action: ChannelAction;
  readonly access: Access;
  readonly channels: readonly string[];
  /** Where the caller connects from. */
  readonly address: string;
  /** Of a subscription, the id that its connection will have. */
  readonly connection?: string;
}

/** As it is sent (PROTOCOL.md, 12.6): nothing of a token, and what is not known is left out. */
export function questionBody({ action, access, channels, address, connection }: Question): string {
  const { kind, application, user } = access;
  return JSON.stringify({ action, caller: kind, application, user, channels, address, connection });
}
