/** Running a transaction function again after a conflict, with full-jitter exponential backoff. */

import { checkFlag, checkOptions, checkSignal } from '../base/arguments.ts';
import type { Env } from '../base/env/env.ts';
import { isSluiceError, throwIfAborted } from '../base/errors.ts';

export interface TransactionOptions {
  /** How often the function is run again after CONFLICT or TOO_OLD; 20. */
  readonly maxRetries?: number;
  readonly signal?: AbortSignal;
  /** Never conflicts, writes nothing. */
  readonly readOnly?: boolean;
  /**
   * In a cluster: begins when all is applied here that was committed anywhere before the call, so that one which only reads is strictly
   * serializable too. Those that write are without it.
   */
  readonly linearizable?: boolean;
}

const MAX_RETRIES = 20;
const BACKOFF_MS_MIN = 1;
const BACKOFF_MS_MAX = 200;

export async function retrying<T>(
  env: Env,
  options: TransactionOptions,
  run: (attempt: number, doNotRepeat: () => void) => Promise<T>,
): Promise<T> {
  checkOptions(options);
  const { maxRetries = MAX_RETRIES, signal } = options;
  checkSignal(signal);
  checkFlag(options.linearizable, 'options.linearizable');
  if (!Number.isInteger(maxRetries) || maxRetries < 0) {
    throw new TypeError(`options.maxRetries must be a non-negative integer; got ${String(maxRetries)}`);
  }
  let repeatable = true;
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      return await run(attempt, () => {
        repeatable = false;
      });
    } catch (error) {
      if (!repeatable || !isSluiceError(error) || !error.retryable || attempt > maxRetries) throw error;
    }
    const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (attempt - 1));
    await env.clock.sleep(env.random.float() * ceiling, signal);
  }
}
