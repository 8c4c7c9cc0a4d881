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

test('one that was made anew and agrees is right again', () => {
  const at = divergence();
  expect(at.check([member('b', 4, WRONG), member('c', 4, right)])).toBe(undefined);
  expect(at.check([member('b', 5, right)])).toBe(undefined);
});
