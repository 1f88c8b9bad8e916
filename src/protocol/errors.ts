/** Every way in which bytes or fields can break the wire format; the codes are stable. */
export type ProtocolErrorCode =
  | 'event-too-large'
  | 'invalid-channel'
  | 'invalid-event-type'
  | 'invalid-id'
  | 'invalid-retry'
  | 'parser-closed';

/** Thrown by the encoder and the parser; `code` is stable, the message is for people. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** `value` in quotes, cut so that no error message grows with its input. */
export function quote(value: string, charactersMax = 80): string {
  const text = value.length > charactersMax ? `${value.slice(0, charactersMax)}…` : value;
  return JSON.stringify(text);
}
