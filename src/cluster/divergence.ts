/**
 * Replicas whose digests, of records or of contents, differ at the same revision have not the same: a fault of a disk, of memory or of ours. Those
 * that do not agree with a majority stop, and where no majority agrees all do.
 *
 * Who has agreed at the place of a difference, or after it, has said who of the two is right, whether he is there now or not: a member
 * that is not heard of for a moment must not bring down those that are right. A difference is of one life of a node: the next
 * may have been made anew.
 */

import type { MemberState } from './log/shared-log.ts';

export interface Comparison {
  readonly revision: number;
  readonly agrees: boolean;
}

export interface OwnDigests {
  /** Whether a member had what this replica had at the newest place that can be told; undefined: at none. */
  compare(member: MemberState): Comparison | undefined;
}

export class Divergence {
  readonly #node: string;
  readonly #majority: number;
  readonly #own: OwnDigests;
  /** By node: what was found when it could be compared last. */
  readonly #found = new Map<string, Comparison & { readonly session: string }>();

  constructor(node: string, majority: number, own: OwnDigests) {
    this.#node = node;
    this.#majority = majority;
    this.#own = own;
  }

  /** The nodes from which this one differs, when it has to stop for it. */
  check(members: readonly MemberState[]): readonly string[] | undefined {
    // Also those that have applied nothing yet, or are elsewhere: they may come to agree.
    const others = members.filter(({ node }) => node !== this.#node);
    for (const member of others) this.#compare(member);
    const differing = others
      .map(({ node }) => node)
      .filter((node) => this.#found.get(node)?.agrees === false);
    if (differing.length === 0) return undefined;
    const place = Math.max(...differing.map((node) => this.#found.get(node)?.revision ?? 0));
    const present = new Set(others.map(({ node }) => node));
    let [agreeing, absent] = [1, 0];
    for (const [node, { agrees, revision }] of this.#found) {
      if (!agrees || (!present.has(node) && revision < place)) continue;
      agreeing++;
      if (!present.has(node)) absent++;
    }
    // There may be more nodes than the cluster was meant to have.
    const majority = Math.max(this.#majority, Math.floor((others.length + 1 + absent) / 2) + 1);
    const unknown = others.length + 1 + absent - agreeing - differing.length;
    // Whoever has not been compared yet may make it a majority.
    return agreeing + unknown >= majority ? undefined : differing;
  }

  #compare(member: MemberState): void {
    const { node, session } = member;
    const found = this.#own.compare(member);
    if (found !== undefined) this.#found.set(node, { ...found, session });
    else {
      const before = this.#found.get(node);
      if (before?.agrees === false && before.session !== session) this.#found.delete(node);
    }
  }
}
