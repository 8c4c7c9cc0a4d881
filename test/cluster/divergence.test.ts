import { expect, test } from 'vitest';
import { Applied } from '../../src/cluster/applied.ts';
import { Divergence } from '../../src/cluster/divergence.ts';
import type { MemberState } from '../../src/cluster/log/shared-log.ts';

const RIGHT = Buffer.alloc(16, 1);
const WRONG = Buffer.alloc(16, 2).toString('hex');

function member(node: string, appliedRevision: number, digest: string): MemberState {
  const rest = { url: undefined, condition: 'running', appliedRevision, appliedVersion: 1, digest } as const;
  return { node, session: `of ${node}`, home: node, beat: 0, ...rest };
}

/** A node 'a' of three, through revision 5. */
function divergence(): Divergence {
  const applied = new Applied(0);
  for (let revision = 1; revision <= 5; revision++) applied.advance(revision, RIGHT);
  return new Divergence('a', 2, applied);
}

const right = RIGHT.toString('hex');

test('who differs from one and agrees with another goes on; who differs from both stops', () => {
  expect(divergence().check([member('b', 4, WRONG), member('c', 5, right)])).toBe(undefined);
  expect(divergence().check([member('b', 4, WRONG), member('c', 5, WRONG)])).toEqual(['b', 'c']);
});

test('one that has applied nothing yet, is further, or has just been opened, may still make a majority', () => {
  for (const c of [member('c', 0, ''), member('c', 9, right), member('c', 5, '')]) {
    const at = divergence();
    expect(at.check([member('b', 4, WRONG), c])).toBe(undefined);
    expect(at.check([member('b', 5, WRONG), member('c', 5, right)])).toBe(undefined);
  }
});

test('of two that differ, where there is no third, both stop', () => {
  expect(divergence().check([member('b', 4, WRONG)])).toEqual(['b']);
});

test('one that was made anew is right again, as soon as it agrees or before it can be told', () => {
  const at = divergence();
  expect(at.check([member('b', 4, WRONG), member('c', 4, right)])).toBe(undefined);
  expect(at.check([member('b', 5, right)])).toBe(undefined);
  expect(at.check([member('b', 4, WRONG), member('c', 4, right)])).toBe(undefined);
  expect(at.check([{ ...member('b', 9, right), session: 'the next' }])).toBe(undefined);
  // The same one, further.
  expect(at.check([member('b', 4, WRONG), member('c', 4, right)])).toBe(undefined);
  expect(at.check([member('b', 9, WRONG), member('c', 0, '')])).toBe(undefined);
});

test('who has agreed at the place of a difference has told who is right, also while he is not heard of', () => {
  const at = divergence();
  expect(at.check([member('b', 4, WRONG), member('c', 4, right)])).toBe(undefined);
  expect(at.check([member('b', 4, WRONG)])).toBe(undefined);
  const before = divergence();
  expect(before.check([member('b', 3, right), member('c', 3, right)])).toBe(undefined);
  expect(before.check([member('b', 4, WRONG)])).toEqual(['b']);
});

test('of four that differ two by two all stop, though the cluster was meant to have three', () => {
  const members = [member('b', 4, right), member('c', 4, WRONG), member('d', 4, WRONG)];
  expect(divergence().check(members)).toEqual(['c', 'd']);
  expect(divergence().check([...members.slice(0, 2), member('d', 4, right)])).toBe(undefined);
});
