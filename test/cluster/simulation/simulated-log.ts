/**
 * The shared log as nodes reach it over a bad network: each call takes its time, answers are lost, appends come after whoever made them has
 * given up, entries and news of members are late, a node is cut off, and announcements run out. What the log itself does is `MemoryLog`'s.
 */

import type { Env } from '../../../src/base/env/env.ts';
import { isSluiceError, SluiceError } from '../../../src/base/errors.ts';
import { MemoryLog, MemoryLogHub } from '../../../src/cluster/log/memory-log.ts';
import type {
  AppendResult,
  Backlog,
  ClusterConfig,
  LogAppend,
  LogEntry,
  MemberState,
  SharedLog,
} from '../../../src/cluster/log/shared-log.ts';
import type { SeededRandom } from '../../base/seeded-random.ts';
import type { Trace } from './trace.ts';

/** Of announcements and leases of a node that is not heard of. */
const LIVES_MS = 1500;
const KEPT_ALIVE_MS = 250;
const CUT_MS = 50;
const LATE_MS_MAX = 3000;

/** What goes wrong between one node and the log. */
export class LogTroubles {
  isCut = false;
  /** Entries come so much later. */
  lagMs = 0;
  /** Of so many of the next appends: nothing comes of it; it is made and the answer lost; it is made later, and the answer lost. */
  refused = 0;
  lost = 0;
  late = 0;

  end(): void {
    this.isCut = false;
    this.lagMs = 0;
    this.refused = 0;
    this.lost = 0;
    this.late = 0;
  }
}

export class SimulatedLogHub {
  readonly env: Env;
  readonly hub: MemoryLogHub;
  readonly trace: Trace;
  readonly #troubles = new Map<string, LogTroubles>();

  constructor(env: Env, trace: Trace) {
    this.env = env;
    this.trace = trace;
    this.hub = new MemoryLogHub(env);
  }

  troubles(node: string): LogTroubles {
    const troubles = this.#troubles.get(node) ?? new LogTroubles();
    this.#troubles.set(node, troubles);
    return troubles;
  }

  write(node: string, batch: LogAppend): AppendResult {
    const result = this.hub.write(batch);
    this.trace.note(node, `append ${batch.id} of ${batch.bytes.length}: ${JSON.stringify(result)}`);
    return result;
  }

  trim(node: string, revision: number): void {
    this.hub.trim(revision);
    this.trace.note(node, `trimmed through ${this.hub.trimmed}`);
  }

  /** What the connection has ends. */
  expire(node: string, session: string, connection: MemoryLog): void {
    this.trace.note(node, 'was not heard of for long');
    for (const [name, holder] of this.hub.leases) if (holder === connection) this.hub.leases.delete(name);
    if (this.hub.members.get(node)?.session !== session) return;
    this.hub.members.delete(node);
    this.hub.changed();
  }
}

/** The connection of one life of a node. */
export class SimulatedLog implements SharedLog {
  readonly #shared: SimulatedLogHub;
  readonly #node: string;
  readonly #random: SeededRandom;
  readonly #inner: MemoryLog;
  readonly #troubles: LogTroubles;
  #newsMs = 0;
  #heardMs = 0;
  #isKeptAlive = false;
  #isClosed = false;
  /** The machine is off: nothing comes of what its process still does. */
  off = false;

  constructor(shared: SimulatedLogHub, node: string, random: SeededRandom) {
    this.#shared = shared;
    this.#node = node;
    this.#random = random;
    this.#inner = new MemoryLog(shared.hub, node);
    this.#troubles = shared.troubles(node);
  }

  append(batch: LogAppend): Promise<AppendResult> {
    const { clock } = this.#shared.env;
    return this.#call(async () => {
      const troubles = this.#troubles;
      if (troubles.refused > 0) {
        troubles.refused--;
        throw unavailable('refused the append');
      }
      if (troubles.late > 0) {
        troubles.late--;
        clock.after(this.#random.float() * LATE_MS_MAX, () => this.#shared.write(this.#node, batch));
        throw unavailable('did not answer');
      }
      const result = this.#shared.write(this.#node, batch);
      if (troubles.lost > 0) {
        troubles.lost--;
        throw unavailable('lost its answer');
      }
      return result;
    });
  }

  async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    const { clock } = this.#shared.env;
    try {
      for await (const entry of this.#inner.read(after, signal)) {
        await clock.sleep(this.#latencyMs() + this.#troubles.lagMs * this.#random.float(), signal);
        while (this.#troubles.isCut && !this.off) await clock.sleep(CUT_MS, signal);
        this.#checkOn();
        yield entry;
      }
    } catch (error) {
      if (isSluiceError(error, 'ABORTED') && signal.aborted) return;
      throw error;
    }
  }

  head(): Promise<number> {
    return this.#call(() => this.#inner.head());
  }

  backlog(revision: number): Promise<Backlog> {
    return this.#call(() => this.#inner.backlog(revision));
  }

  trim(revision: number): Promise<void> {
    return this.#call(async () => this.#shared.trim(this.#node, revision));
  }

  trimmedThrough(): Promise<number> {
    return this.#call(() => this.#inner.trimmedThrough());
  }

  announce(member: MemberState): Promise<void> {
    return this.#call(async () => {
      await this.#inner.announce(member);
      this.#heardMs = this.#shared.env.clock.monotonicMs();
      if (!this.#isKeptAlive) this.#keepAlive(member.session);
      this.#isKeptAlive = true;
    });
  }

  /** As the session of a real log does by itself, while it is reached. */
  #keepAlive(session: string): void {
    const { clock } = this.#shared.env;
    clock.after(KEPT_ALIVE_MS, () => {
      if (this.#isClosed) return;
      if (!this.off && !this.#troubles.isCut) this.#heardMs = clock.monotonicMs();
      const isLost = clock.monotonicMs() - this.#heardMs >= LIVES_MS;
      if (isLost) this.#shared.expire(this.#node, session, this.#inner);
      if (isLost) this.#isKeptAlive = false;
      else this.#keepAlive(session);
    });
  }

  members(): Promise<readonly MemberState[]> {
    return this.#call(() => this.#inner.members());
  }

  /** News come in their order, and late. */
  watchMembers(listener: (members: readonly MemberState[]) => void): () => void {
    const { clock } = this.#shared.env;
    let isFirst = true;
    return this.#inner.watchMembers((members) => {
      if (isFirst) {
        isFirst = false;
        listener(members);
        return;
      }
      this.#newsMs = Math.max(this.#newsMs, clock.monotonicMs() + this.#latencyMs());
      clock.after(this.#newsMs - clock.monotonicMs(), () => {
        if (!this.off && !this.#troubles.isCut) listener(members);
      });
    });
  }

  announceFile(digest: string, node: string): Promise<void> {
    return this.#call(() => this.#inner.announceFile(digest, node));
  }

  holders(digest: string): Promise<readonly string[]> {
    return this.#call(() => this.#inner.holders(digest));
  }

  forgetFile(digest: string, node: string): Promise<void> {
    return this.#call(() => this.#inner.forgetFile(digest, node));
  }

  heldBy(node: string): Promise<readonly string[]> {
    return this.#call(() => this.#inner.heldBy(node));
  }

  forgetNode(node: string): Promise<void> {
    return this.#call(() => this.#inner.forgetNode(node));
  }

  config(initial: ClusterConfig): Promise<ClusterConfig> {
    return this.#call(() => this.#inner.config(initial));
  }

  lease(name: string, node: string): Promise<boolean> {
    return this.#call(() => this.#inner.lease(name, node));
  }

  /** Of one that is off the announcement and the leases run out. */
  async close(): Promise<void> {
    if (this.off) return;
    this.#isClosed = true;
    await this.#inner.close();
  }

  async #call<T>(act: () => Promise<T>): Promise<T> {
    await this.#pass();
    const answer = await act();
    await this.#pass();
    return answer;
  }

  async #pass(): Promise<void> {
    await this.#shared.env.clock.sleep(this.#latencyMs());
    this.#checkOn();
    if (this.#troubles.isCut) throw unavailable('cannot be reached');
  }

  /** What would be tried again for ever, for nobody waits for it, ends. */
  #checkOn(): void {
    if (this.off) throw new SluiceError('CLOSED', 'The machine is off');
  }

  #latencyMs(): number {
    const dice = this.#random.float();
    return dice < 0.9 ? 2 * dice : this.#random.float() * 60;
  }
}

function unavailable(what: string): SluiceError {
  return new SluiceError('UNAVAILABLE', `The shared log ${what}; try again`);
}
