/** What waits for this node to be where the log is waits for a while only: others are to have room, and whoever asks may ask another node. */

import type { Clock } from '../../base/env/env.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Call } from '../http/call.ts';
import type { ServedNode } from './served-node.ts';

/** @throws SluiceError UNAVAILABLE when it lags; ABORTED when the caller has gone */
export async function catchUpInTime({ catchUp }: ServedNode, call: Call, clock: Clock): Promise<void> {
  const { catchUpMs } = call.limits;
  const late = new AbortController();
  const cancel = clock.after(catchUpMs, () => late.abort());
  try {
    await catchUp(AbortSignal.any([call.signal, late.signal]));
  } catch (error) {
    if (!late.signal.aborted || call.signal.aborted) throw error;
    const message = `This node has not applied what the log had ${catchUpMs} ms ago: it lags, or the log does not answer. Ask another node`;
    throw new SluiceError('UNAVAILABLE', message);
  } finally {
    cancel();
  }
}
