/** The part of the Web Locks API that elects a leader. */
export interface TabLocks {
  request(name: string, options: { readonly signal: AbortSignal }, holder: () => Promise<void>): Promise<unknown>;
}

/** The part of a BroadcastChannel that tabs talk through. */
export interface TabChannel {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  postMessage(message: unknown): void;
  close(): void;
}

/** What a tab needs of its browser. */
export interface TabEnvironment {
  readonly locks: TabLocks;
  readonly openChannel: (name: string) => TabChannel;
}

/** Undefined where tabs cannot share: no browser, an old one, or a page that came by plain HTTP from another machine. */
export function findEnvironment(): TabEnvironment | undefined {
  const { navigator, BroadcastChannel } = globalThis as unknown as {
    readonly navigator?: { readonly locks?: TabLocks };
    readonly BroadcastChannel?: new (name: string) => TabChannel;
  };
  const locks = navigator?.locks;
  if (locks === undefined || BroadcastChannel === undefined) return undefined;
  return { locks, openChannel: (name) => new BroadcastChannel(name) };
}
