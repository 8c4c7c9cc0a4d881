/** A node's name is one process's at a time: of two that live, the second is refused. */

import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { MemberState, SharedLog } from './log/shared-log.ts';

/** Longer than the announcement of a node that is gone lasts. */
const GONE_MS = 20_000;
const ASKED_MS = 250;

/**
 * Announces this node for the first time. Where another has the name it may be gone, which its announcement will tell by running out; one that
 * announces itself again meanwhile lives.
 *
 * @throws SluiceError LOCKED, UNAVAILABLE, CLOSED
 */
export async function takeName(env: Env, log: SharedLog, member: MemberState): Promise<void> {
  const { clock } = env;
  const giveUpMs = clock.monotonicMs() + GONE_MS;
  let first: MemberState | undefined;
  for (;;) {
    try {
      await log.announce(member);
      return;
    } catch (error) {
      if (!isSluiceError(error, 'LOCKED') || clock.monotonicMs() > giveUpMs) throw error;
      const holder = (await log.members()).find(({ node }) => node === member.node);
      first ??= holder;
      const lives = holder !== undefined && holder.session === first?.session && holder.beat !== first.beat;
      if (lives) throw error;
    }
    await clock.sleep(ASKED_MS);
  }
}

/** Whether a process may announce itself as this member, where the name is held. `named`: it has done so before. */
export function mayTake(member: MemberState, holder: MemberState, named: boolean): boolean {
  if (holder.session === member.session) return true;
  // The same directory: its process before this one is gone, or the directory would be locked. Later on it is the other that is newer.
  return !named && holder.home === member.home;
}

export function nameTaken({ node }: MemberState, { url }: MemberState): SluiceError {
  const where = url === undefined ? '' : `, at ${url}`;
  const message = `Another node of the cluster is named ${node}${where}: give each a name and a directory of its own, or stop one`;
  return new SluiceError('LOCKED', message);
}
