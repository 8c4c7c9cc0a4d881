/** Waiting no longer than somebody wants to. */

import { throwIfAborted } from './errors.ts';

/** The wait is given up when the signal fires; what is waited for goes on. @throws SluiceError ABORTED */
export async function orAborted<T>(done: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return done;
  done.catch(() => undefined); // told below, unless it is given up
  throwIfAborted(signal);
  let leave = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    leave = resolve;
    signal.addEventListener('abort', leave);
  });
  try {
    return await Promise.race([done, aborted.then(() => gaveUp(signal))]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

function gaveUp(signal: AbortSignal): never {
  throwIfAborted(signal);
  throw new TypeError('the signal must have fired');
}
