declare const cursorBrand: unique symbol;

/** A place in a store, as clients send it back: `<epoch>-<offset>` (PROTOCOL.md, 3). Made here only. */
export type Cursor = string & { readonly [cursorBrand]: true };

export interface CursorParts {
  /** One life of a store: `~` and 8 to 16 characters of `[0-9a-z]`. */
  readonly epoch: string;
  /** The last event that the holder of the cursor has; 0 before the first. */
  readonly offset: number;
}

const CURSOR = /^(~[0-9a-z]{8,16})-(0|[1-9][0-9]{0,15})$/;
const CURSOR_LIKE = /^~[0-9a-z]{8,16}-/;

export function formatCursor(epoch: string, offset: number): Cursor {
  return `${epoch}-${offset}` as Cursor;
}

/** The parts of `text`, or undefined where it is no cursor. */
export function parseCursor(text: string): CursorParts | undefined {
  const match = CURSOR.exec(text);
  const epoch = match?.[1];
  const offset = Number(match?.[2]);
  return epoch !== undefined && Number.isSafeInteger(offset) ? { epoch, offset } : undefined;
}

/** Whether a publisher's own id could be taken for a cursor, and so is refused. */
export function isCursorLike(id: string): boolean {
  return CURSOR_LIKE.test(id);
}
