/**
 * Replicas whose digests, of records or of contents, differ at the same revision have not the same: a fault of a disk, of memory or of ours. Those
 * that do not agree with a majority stop, and where no majority agrees all do.
 */

import type { MemberState } from './log/shared-log.ts';

export interface OwnDigests {
  /** Whether a member had what this replica had at the same place; undefined: it cannot be told. */
  agreesWith(member: MemberState): boolean | undefined;
}

export class Divergence {
  readonly #node: string;
  readonly #majority: number;
  readonly #own: OwnDigests;
  /** By node: what was found when it could be compared last. A difference stays. */
  readonly #agrees = new Map<string, boolean>();

  constructor(node: string, majority: number, own: OwnDigests) {
    this.#node = node;
    this.#majority = majority;
    this.#own = own;
  }

  /** The nodes from which this one differs, when it has to stop for it. */
  check(members: readonly MemberState[]): readonly string[] | undefined {
    // Also those that have applied nothing yet, or are elsewhere: they may come to agree.
    const others = members.filter(({ node }) => node !== this.#node);
    for (const member of others) {
      const agrees = this.#own.agreesWith(member);
      if (agrees !== undefined) this.#agrees.set(member.node, agrees);
    }
    const differing = others.filter(({ node }) => this.#agrees.get(node) === false).map(({ node }) => node);
    if (differing.length === 0) return undefined;
    const agreeing = 1 + others.filter(({ node }) => this.#agrees.get(node) === true).length;
    const unknown = others.length + 1 - agreeing - differing.length;
    if (agreeing >= this.#majority) return undefined;
    // Whoever has not been compared yet may make it a majority.
    return agreeing + unknown >= this.#majority ? undefined : differing;
  }
}
