/** How much of the log nobody needs any more. */

import type { MemberState } from './log/shared-log.ts';
import type { Position } from './position.ts';

/**
 * The newest revision that neither a replica that goes on nor one that opens again asks for: all live members have applied what
 * comes up to it, and it lies before the windows of all. undefined: nothing is known to be so.
 *
 * @param commits oldest first, with none left out between them
 */
export function trimmableThrough(
  members: readonly MemberState[],
  commits: readonly Position[],
  windowVersions: number,
): number | undefined {
  // One that has halted opens again from a peer, if it must.
  const live = members.filter(({ condition }) => condition !== 'halted');
  if (live.length === 0) return undefined;
  const slowest = Math.min(...live.map(({ appliedVersion }) => appliedVersion));
  const horizon = slowest - windowVersions;
  const [oldest] = commits;
  if (oldest === undefined || oldest.version > horizon) return undefined;
  const needed = commits.find(({ version, count }) => version + count - 1 > horizon);
  return needed === undefined ? undefined : needed.revision - 1;
}
