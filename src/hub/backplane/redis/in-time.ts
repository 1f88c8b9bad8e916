import { HubError } from '../../errors.js';

/** The result of `work`. @throws HubError `backplane-unavailable` if it takes longer than `timeoutMs`. */
export function inTime<Result>(work: Promise<Result>, timeoutMs: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    const refuse = (): void => reject(new HubError('backplane-unavailable', 'Cannot do it now: Redis is not there'));
    const timer = setTimeout(refuse, timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
