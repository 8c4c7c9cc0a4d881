import { setMaxListeners } from 'node:events';

/** A signal that many wait on at a time, and leave: Node would warn of a leak from the eleventh listener on. */
export function sharedSignal(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}
