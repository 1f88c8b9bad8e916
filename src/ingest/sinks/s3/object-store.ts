export interface NewObject {
  readonly key: string;
  readonly body: Buffer;
  readonly contentType: string;
  /** Kept with the object: names and values in ASCII, 2 KiB together. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StoredObject {
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What is known of the place before anything is written. `refused`: no waiting will help. */
export type PlaceCheck =
  | { readonly kind: 'there' }
  | { readonly kind: 'unsure'; readonly message: string }
  | {
      readonly kind: 'refused';
      readonly code: 'bucket-missing' | 'access-refused' | 'invalid-option';
      readonly message: string;
    };

/** Keeps objects under keys. Each method tries once and rejects with what went wrong; who calls tries again. */
export interface ObjectStore {
  check(signal: AbortSignal): Promise<PlaceCheck>;
  /** `taken`: there is an object of this key, and it was left alone. A large body goes in parts. */
  create(object: NewObject, signal: AbortSignal): Promise<'created' | 'taken'>;
  /** Writes `object` over whatever has its key. */
  replace(object: NewObject, signal: AbortSignal): Promise<void>;
  /** Undefined where there is none. */
  describe(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  read(key: string, signal: AbortSignal): Promise<Buffer>;
  /** Every key that begins with `prefix`, in order. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<string>;
  /** Forgets the parts of this key that an interrupted `create` left; they would be paid for, and never seen. */
  abortUploads(key: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** One small object that several may write, each only over what it has seen. A `version` is the store's own word for that. */
export interface VersionedStore {
  /** Undefined where there is none. */
  readVersion(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly body: Buffer; readonly version: string } | undefined>;
  /** Writes over `version`, or where that is undefined only if there is none; undefined where something else is there. */
  writeVersion(object: NewObject, version: string | undefined, signal: AbortSignal): Promise<string | undefined>;
  close(): void;
}
