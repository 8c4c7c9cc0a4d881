/** A shared log that passes all on to another one: for those that change something on the way. */

import type {
  AppendResult,
  ClusterConfig,
  LogAppend,
  LogEntry,
  MemberState,
  SharedLog,
} from '../../../src/cluster/log/shared-log.ts';

export class PassedLog implements SharedLog {
  readonly #inner: SharedLog;

  constructor(inner: SharedLog) {
    this.#inner = inner;
  }

  append(batch: LogAppend): Promise<AppendResult> {
    return this.#inner.append(batch);
  }

  read(after: number, signal: AbortSignal): AsyncIterable<LogEntry> {
    return this.#inner.read(after, signal);
  }

  head(): Promise<number> {
    return this.#inner.head();
  }

  backlog(...asked: Parameters<SharedLog['backlog']>): ReturnType<SharedLog['backlog']> {
    return this.#inner.backlog(...asked);
  }

  trim(revision: number): Promise<void> {
    return this.#inner.trim(revision);
  }

  trimmedThrough(): Promise<number> {
    return this.#inner.trimmedThrough();
  }

  announce(member: MemberState): Promise<void> {
    return this.#inner.announce(member);
  }

  members(): Promise<readonly MemberState[]> {
    return this.#inner.members();
  }

  watchMembers(listener: (members: readonly MemberState[]) => void): () => void {
    return this.#inner.watchMembers(listener);
  }

  announceFile(digest: string, node: string): Promise<void> {
    return this.#inner.announceFile(digest, node);
  }

  holders(digest: string): Promise<readonly string[]> {
    return this.#inner.holders(digest);
  }

  forgetFile(digest: string, node: string): Promise<void> {
    return this.#inner.forgetFile(digest, node);
  }

  heldBy(node: string): Promise<readonly string[]> {
    return this.#inner.heldBy(node);
  }

  forgetNode(node: string): Promise<void> {
    return this.#inner.forgetNode(node);
  }

  config(initial: ClusterConfig): Promise<ClusterConfig> {
    return this.#inner.config(initial);
  }

  lease(name: string, node: string): Promise<boolean> {
    return this.#inner.lease(name, node);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Where a node reaches its peers: each through a proxy of its own. */
export class RoutedLog extends PassedLog {
  readonly #routes: ReadonlyMap<string, string>;

  /** `routes`: by URLs as peers announce them; may grow. */
  constructor(inner: SharedLog, routes: ReadonlyMap<string, string>) {
    super(inner);
    this.#routes = routes;
  }

  override async members(): Promise<readonly MemberState[]> {
    return (await super.members()).map((member) => {
      const route = member.url === undefined ? undefined : this.#routes.get(member.url);
      return route === undefined ? member : { ...member, url: route };
    });
  }
}
