/**
 * Records on their way into the log: those that come while one append is under way go together in the next. Outcomes come from this
 * node's own apply, so an append whose answer is lost is made again with the same id, and commits once.
 *
 * Nobody waits for ever where this node lags, or the log does not answer: what was not appended yet was never made, of the rest the
 * outcome is not known in time. Records with files wait on: bringing the files of those before them may take long, and is progress.
 */

import type { Env } from '../base/env/env.ts';
import { sharedSignal } from '../base/env/shared-signal.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { Version } from '../mvcc/version.ts';
import type { CommitResult } from '../txn/committer.ts';
import type { FileFacts } from './files/file-exchange.ts';
import { ENTRY_BYTES_MAX, type SharedLog } from './log/shared-log.ts';
import { type Outcome, outcomeUnknown } from './outcome.ts';
import { encodeEntry, framedBytes } from './record/entry.ts';

/** Of the id and what the log adds. */
const ENTRY_OVERHEAD_BYTES = 1024;
export const RECORD_BYTES_MAX = ENTRY_BYTES_MAX - ENTRY_OVERHEAD_BYTES;

const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 1000;

interface Proposal extends Outcome {
  readonly bytes: Uint8Array;
  /** A majority holds them; asked again in the append. */
  readonly files: readonly FileFacts[];
  readonly deadlineMs: number;
}

export interface ProposalParts {
  readonly env: Env;
  readonly log: SharedLog;
  readonly node: string;
  /** A majority holds the files again when it resolves. */
  readonly spread: (files: readonly FileFacts[], signal: AbortSignal) => Promise<void>;
  readonly timeoutMs: number;
}

export class Proposals {
  readonly #parts: ProposalParts;
  #waiting: Proposal[] = [];
  /** By entry, those that wait for their outcome. */
  readonly #proposed = new Map<string, readonly Proposal[]>();
  #pumping = false;
  /** Nobody's deadline comes before the alarm. */
  #cancelAlarm: (() => void) | undefined;
  #ended: unknown;

  constructor(parts: ProposalParts) {
    this.#parts = parts;
  }

  /** As `submit`, of what only has a version. */
  submitPuts(bytes: Uint8Array): Promise<Version> {
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#deadlineMs();
      this.#submit({ bytes, files: [], deadlineMs, resolve: ({ version }) => resolve(version), reject });
    });
  }

  /**
   * @throws SluiceError as the record's outcome; OUTCOME_UNKNOWN, UNAVAILABLE when the log does not answer in time; NO_SPACE … when it refuses.
   * When the signal fires: ABORTED of what was not given to the log yet, else OUTCOME_UNKNOWN
   */
  submit(
    bytes: Uint8Array,
    files: readonly FileFacts[],
    signal: AbortSignal | undefined,
  ): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const deadlineMs = files.length === 0 ? this.#deadlineMs() : Number.POSITIVE_INFINITY;
      const proposal = { bytes, files, deadlineMs, resolve, reject };
      this.#submit(signal === undefined ? proposal : this.#leftWhenAborted(proposal, signal));
    });
  }

  #leftWhenAborted(proposal: Proposal, signal: AbortSignal): Proposal {
    const leave = (): void => {
      const at = this.#waiting.indexOf(left);
      if (at >= 0) this.#waiting.splice(at, 1);
      const message = 'The commit was aborted by its AbortSignal';
      const aborted = new SluiceError('ABORTED', message, { cause: signal.reason });
      left.reject(at >= 0 ? aborted : outcomeUnknown(aborted));
    };
    const left: Proposal = {
      ...proposal,
      resolve: (result) => {
        signal.removeEventListener('abort', leave);
        proposal.resolve(result);
      },
      reject: (error) => {
        signal.removeEventListener('abort', leave);
        proposal.reject(error);
      },
    };
    signal.addEventListener('abort', leave);
    return left;
  }

  #submit(proposal: Proposal): void {
    if (this.#ended !== undefined) {
      proposal.reject(this.#ended);
      return;
    }
    const { length } = proposal.bytes;
    if (framedBytes(proposal.bytes) > RECORD_BYTES_MAX) {
      const message = `A transaction takes ${length} bytes of the cluster's log, and ${RECORD_BYTES_MAX} is the most: make it smaller`;
      proposal.reject(new SluiceError('INVALID_VALUE', message));
      return;
    }
    this.#waiting.push(proposal);
    if (this.#cancelAlarm === undefined && Number.isFinite(proposal.deadlineMs))
      this.#setAlarm(proposal.deadlineMs);
    if (this.#pumping) return;
    this.#pumping = true;
    // What else this turn brings goes with it.
    queueMicrotask(() => void this.#pump());
  }

  /** Who waits for the records of an entry. */
  outcomesOf(entryId: string): readonly Outcome[] | undefined {
    return this.#proposed.get(entryId);
  }

  /** All of them have been told. */
  applied(entryId: string): void {
    this.#proposed.delete(entryId);
  }

  get pending(): number {
    let pending = this.#waiting.length;
    for (const proposals of this.#proposed.values()) pending += proposals.length;
    return pending;
  }

  /** Nothing is applied any more: what was given to the log is not known, the rest was never made. */
  end(error: unknown): void {
    this.#ended ??= error;
    this.#cancelAlarm?.();
    for (const proposal of this.#waiting.splice(0)) proposal.reject(error);
    for (const id of [...this.#proposed.keys()]) this.#reject(id, outcomeUnknown(error));
  }

  #deadlineMs(): number {
    return this.#parts.env.clock.monotonicMs() + this.#parts.timeoutMs;
  }

  #setAlarm(deadlineMs: number): void {
    const { clock } = this.#parts.env;
    this.#cancelAlarm = clock.after(Math.max(1, deadlineMs - clock.monotonicMs()), () => this.#expire());
  }

  /** One alarm for all: deadlines come in the order of submission. */
  #expire(): void {
    const nowMs = this.#parts.env.clock.monotonicMs();
    const isLate = ({ deadlineMs }: Proposal): boolean => deadlineMs <= nowMs;
    const why = `This node has not applied it within ${this.#parts.timeoutMs} ms: it lags behind the log, or the log does not answer`;
    let next = Number.POSITIVE_INFINITY;
    for (const proposals of this.#proposed.values()) {
      for (const proposal of proposals) {
        if (isLate(proposal)) proposal.reject(outcomeUnknown(new SluiceError('UNAVAILABLE', why)));
        else next = Math.min(next, proposal.deadlineMs);
      }
    }
    const late = this.#waiting.filter(isLate);
    this.#waiting = this.#waiting.filter((proposal) => !isLate(proposal));
    for (const { reject } of late) {
      const message = `The log has taken nothing of this node's for ${this.#parts.timeoutMs} ms; nothing was committed`;
      reject(new SluiceError('UNAVAILABLE', message));
    }
    for (const { deadlineMs } of this.#waiting) next = Math.min(next, deadlineMs);
    this.#cancelAlarm = undefined;
    if (Number.isFinite(next)) this.#setAlarm(next);
  }

  async #pump(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#ended === undefined) await this.#append(this.#take());
    } finally {
      this.#pumping = false;
    }
  }

  #take(): readonly Proposal[] {
    let [count, bytes] = [0, 1];
    for (const proposal of this.#waiting) {
      bytes += framedBytes(proposal.bytes);
      if (count > 0 && bytes > RECORD_BYTES_MAX) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #append(proposals: readonly Proposal[]): Promise<void> {
    const { env, log, node, spread, timeoutMs } = this.#parts;
    const id = env.random.hex(16);
    const files = proposals.flatMap((proposal) => proposal.files);
    const stagings = [...new Set(files.map(({ digest }) => digest))];
    const bytes = encodeEntry(
      proposals.map((proposal) => proposal.bytes),
      env.clock.nowMs(),
    );
    const fileBytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const weight = { node, records: proposals.length, bytes: bytes.length + fileBytes };
    const batch = { id, bytes, stagings, weight };
    this.#proposed.set(id, proposals);
    const inTime = env.clock.monotonicMs() + timeoutMs;
    // Not made again once all have been told.
    const deadline = Math.min(inTime, proposals.at(-1)?.deadlineMs ?? inTime);
    for (
      let pauseMs = RETRY_MS_MIN;
      this.#ended === undefined;
      pauseMs = Math.min(RETRY_MS_MAX, 2 * pauseMs)
    ) {
      const answer = await this.#ask(() => log.append(batch));
      if ('revision' in answer) return;
      if ('missing' in answer) {
        // Nothing was written: the files have to be on a majority again first.
        const missing = new Set(answer.missing);
        const lost = files.filter(({ digest }) => missing.has(digest));
        const left = deadline - env.clock.monotonicMs();
        const spreading = await this.#ask(async () =>
          withTimeout(env, left, (signal) => spread(lost, signal)),
        );
        if (spreading === undefined) continue;
        this.#reject(id, spreading.error);
        return;
      }
      const passes = isSluiceError(answer.error, 'UNAVAILABLE');
      if (passes) await env.clock.sleep(Math.min(pauseMs, Math.max(0, deadline - env.clock.monotonicMs())));
      if (!passes || env.clock.monotonicMs() >= deadline) {
        this.#reject(id, isRefusal(answer.error) ? answer.error : outcomeUnknown(answer.error));
        return;
      }
    }
  }

  async #ask<T>(act: () => Promise<T>): Promise<T | { readonly error: unknown }> {
    try {
      return await act();
    } catch (error) {
      return { error };
    }
  }

  #reject(id: string, error: unknown): void {
    const proposals = this.#proposed.get(id);
    this.#proposed.delete(id);
    for (const proposal of proposals ?? []) proposal.reject(error);
  }
}

/** The log has not taken it, and will not. */
function isRefusal(error: unknown): boolean {
  if (!isSluiceError(error)) return false;
  return error.code !== 'UNAVAILABLE' && error.code !== 'CLOSED' && error.code !== 'OUTCOME_UNKNOWN';
}

/** The signal fires when the time has passed. @throws UNAVAILABLE then */
export async function withTimeout<T>(
  env: Env,
  ms: number,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const cancel = env.clock.after(Math.max(0, ms), () => controller.abort());
  try {
    return await act(sharedSignal(controller.signal));
  } catch (cause) {
    if (!controller.signal.aborted) throw cause;
    const message = `A majority of the cluster's nodes did not have the files within ${ms} ms; nothing was committed`;
    throw new SluiceError('UNAVAILABLE', message, { cause });
  } finally {
    cancel();
  }
}
