/** The part of `process` that is used, so that tests can stand in for it. */
export interface HangupSource {
  on(event: 'SIGHUP', listener: () => void): unknown;
  off(event: 'SIGHUP', listener: () => void): unknown;
}

/** Calls `listener` at each SIGHUP until disposed, in place of ending the process. @param source Default: `process`. */
export function listenForHangup(listener: () => void, source: HangupSource = process): Disposable {
  const onHangup = (): void => listener();
  source.on('SIGHUP', onHangup);
  return { [Symbol.dispose]: () => void source.off('SIGHUP', onHangup) };
}
