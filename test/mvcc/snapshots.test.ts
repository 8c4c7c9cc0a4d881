import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Snapshot, SnapshotRegistry } from '../../src/mvcc/snapshots.ts';
import { versionOf } from '../../src/mvcc/version.ts';

it('knows the oldest open snapshot, whatever is opened and closed', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.nat(50),
          fc.nat(50).map((n) => -1 - n),
        ),
        { maxLength: 100 },
      ),
      (steps) => {
        const registry = new SnapshotRegistry({ monotonicMs: () => 0 });
        const open: Snapshot[] = [];
        for (const step of steps) {
          if (step >= 0) open.push(registry.acquire(versionOf(step)));
          else for (const gone of open.splice(step % Math.max(1, open.length), 1)) registry.release(gone);
          const versions = open.map((s) => s.version).sort((a, b) => a - b);
          expect(registry.oldest).toBe(versions[0]);
          expect(registry.count).toBe(versions.length);
          expect(registry.versions()).toEqual([...new Set(versions)]);
        }
      },
    ),
  );
});

it('tells how long the oldest has been open, and refuses a second release', () => {
  let now = 10;
  const registry = new SnapshotRegistry({ monotonicMs: () => now });
  expect(registry.oldestAgeMs).toBe(0);
  const newer = registry.acquire(versionOf(7));
  now = 15;
  const older = registry.acquire(versionOf(3));
  now = 40;
  expect(registry.oldestAgeMs).toBe(25);
  registry.release(older);
  expect(registry.oldestAgeMs).toBe(30);
  expect(() => registry.release(older)).toThrow(/released twice/);
  registry.release(newer);
  expect(registry.oldest).toBeUndefined();
});
