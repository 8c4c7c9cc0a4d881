import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { type Version, versionOf } from '../../src/mvcc/version.ts';
import { VisibleCursor } from '../../src/mvcc/visible.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { type Entry, show, text } from '../mvcc/entries.ts';
import { collect, TreeFixture } from './tree-fixture.ts';

type Change = Pick<Entry, 'key' | 'type' | 'value'>;

const put = (key: string, value: string): Change => ({
  key: Buffer.from(key),
  type: TYPE_VALUE,
  value: Buffer.from(value),
});
const del = (key: string): Change => ({ key: Buffer.from(key), type: TYPE_DELETE, value: Buffer.alloc(0) });

/** A dozen keys, so that every key has versions everywhere and files overlap into level 0. */
const keyArbitrary = fc
  .array(fc.constantFrom(97, 98, 99), { minLength: 1, maxLength: 2 })
  .map((b) => Buffer.from(b));

const changesArbitrary: fc.Arbitrary<Change[]> = fc.uniqueArray(
  fc
    .record({ key: keyArbitrary, deleted: fc.boolean(), n: fc.nat(99), large: fc.nat(20) })
    .map(({ key, deleted, n, large }) => ({
      key,
      type: deleted ? TYPE_DELETE : TYPE_VALUE,
      value: deleted ? Buffer.alloc(0) : Buffer.alloc(large === 0 ? 70_000 : n, `${n}.`),
    })),
  { minLength: 1, maxLength: 5, selector: ({ key }) => text(key) },
);

type Action =
  | { readonly kind: 'commit'; readonly changes: Change[] }
  | { readonly kind: 'ingest'; readonly changes: Change[] }
  | { readonly kind: 'seal' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'hold' }
  | { readonly kind: 'forget'; readonly n: number }
  | { readonly kind: 'get'; readonly key: Uint8Array; readonly snapshot: number }
  | {
      readonly kind: 'scan';
      readonly snapshot: number;
      readonly reverse: boolean;
      readonly lower: Uint8Array | undefined;
      readonly upper: Uint8Array | undefined;
    };

const bound = fc.option(keyArbitrary, { nil: undefined });
const snapshot = fc.double({ min: 0, max: 1, noNaN: true });
const actionArbitrary: fc.Arbitrary<Action> = fc.oneof(
  { arbitrary: changesArbitrary.map((changes): Action => ({ kind: 'commit', changes })), weight: 5 },
  { arbitrary: changesArbitrary.map((changes): Action => ({ kind: 'ingest', changes })), weight: 4 },
  {
    arbitrary: fc.constantFrom('seal' as const, 'flush' as const).map((kind): Action => ({ kind })),
    weight: 4,
  },
  { arbitrary: fc.constant<Action>({ kind: 'hold' }), weight: 1 },
  { arbitrary: fc.nat(20).map((n): Action => ({ kind: 'forget', n })), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('get' as const), key: keyArbitrary, snapshot }), weight: 5 },
  {
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      snapshot,
      reverse: fc.boolean(),
      lower: bound,
      upper: bound,
    }),
    weight: 4,
  },
);

/** The newest entry of the key in the snapshot, by the definition. */
function newestOf(entries: readonly Entry[], key: Uint8Array, at: Version): Entry | undefined {
  let newest: Entry | undefined;
  for (const entry of entries) {
    if (entry.version > at || compareBytes(entry.key, key) !== 0) continue;
    if (newest === undefined || entry.version > newest.version) newest = entry;
  }
  return newest;
}

function visibleAt(entries: readonly Entry[], at: Version): Entry[] {
  const keys = new Map(entries.map(({ key }) => [text(key), key]));
  return [...keys.values()]
    .map((key) => newestOf(entries, key, at))
    .filter((entry): entry is Entry => entry?.type === TYPE_VALUE)
    .sort((a, b) => compareBytes(a.key, b.key));
}

async function run(fixture: TreeFixture, actions: readonly Action[]): Promise<void> {
  const { tree, entries } = fixture;
  const held: {
    readonly expected: string[];
    readonly cursor: VisibleCursor;
    readonly release: () => void;
  }[] = [];
  for (const action of actions) {
    if (action.kind === 'commit') fixture.commit(action.changes);
    else if (action.kind === 'ingest') fixture.ingest(action.changes);
    else if (action.kind === 'seal') tree.seal();
    else if (action.kind === 'flush') await fixture.flushOldest();
    else if (action.kind === 'forget') {
      // Its blocks have to be read again.
      const rows = tree.rows();
      const row = rows[action.n % Math.max(1, rows.length)];
      if (row !== undefined) tree.view.table(row).close();
    } else if (action.kind === 'hold') {
      const at = fixture.version;
      const { cursors, release } = tree.scan(undefined, undefined, at);
      const cursor = new VisibleCursor(mergeCursors(cursors), { snapshot: at });
      held.push({ expected: visibleAt(entries, at).map(show), cursor, release });
    } else if (action.kind === 'get') {
      const at = versionOf(Math.round(action.snapshot * fixture.version));
      const newest = newestOf(entries, action.key, at);
      const expected = newest === undefined ? 'none' : show(newest);
      expect(await fixture.get(action.key, at)).toBe(expected);
      expect(fixture.getSync(action.key, at)).toBe(expected);
    } else {
      const at = versionOf(Math.round(action.snapshot * fixture.version));
      const { lower, upper, reverse } = action;
      const expected = visibleAt(entries, at)
        .filter(({ key }) => lower === undefined || compareBytes(key, lower) >= 0)
        .filter(({ key }) => upper === undefined || compareBytes(key, upper) < 0)
        .map(show);
      expect(fixture.scan(at, reverse, lower, upper)).toEqual(reverse ? expected.reverse() : expected);
    }
  }
  for (const { expected, cursor, release } of held) {
    expect(collect(cursor, true).reverse()).toEqual(expected);
    cursor.close();
    release();
  }
}

describe('a tree', () => {
  it('reads by version whatever lies where: memtables, level 0, and newer files below older data', async () => {
    const directory = temporaryDirectory();
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(actionArbitrary, { minLength: 10, maxLength: 60 }),
        fc.constantFrom(0, 20_000, 1 << 20),
        // Levels that take no file, so that many find room in level 0 only.
        fc.constantFrom([], [6], [1, 2, 3, 4, 5, 6]),
        async (actions, memtableBytes, full) => {
          const own = `${directory}/${n++}`;
          mkdirSync(own);
          const fixture = new TreeFixture(own, memtableBytes);
          for (const level of full) {
            fixture.tree.reservations.reserve(level, Buffer.of(0), Buffer.of(255), 'test');
          }
          await run(fixture, actions);
          fixture.tree.close();
        },
      ),
      { numRuns: 120 },
    );
  });

  it('reads a file ingested below an older memtable and an older table of level 0', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    fixture.commit([put('a', 'old'), put('b', 'old'), put('c', 'old')]);
    fixture.tree.seal();
    await fixture.flushOldest();
    fixture.commit([put('b', 'memtable')]);
    const row = fixture.ingest([put('a', 'ingested'), put('b', 'ingested'), del('c')]);
    expect(row.level).toBe(6);
    expect(fixture.scan(fixture.version, false)).toEqual(['a@3=ingested', 'b@3=ingested']);
    expect(fixture.scan(versionOf(2), true)).toEqual(['c@1=old', 'b@2=memtable', 'a@1=old']);
    expect(fixture.getSync(Buffer.from('c'), versionOf(3))).toBe('c@3 deleted');
    fixture.commit([put('c', 'again')]);
    expect(fixture.getSync(Buffer.from('c'), versionOf(4))).toBe('c@4=again');
  });

  it('answers a lookup without a block when a memtable has something newer than every table', () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    fixture.ingest([put('a', 'ingested')]);
    fixture.commit([put('a', 'newer')]);
    const probe = new Probe();
    probe.reset(Buffer.from('a'), 0, 1, versionOf(2));
    expect(fixture.tree.get(probe)).not.toBe(PENDING);
    expect(probe.version).toBe(2);
    probe.reset(Buffer.from('a'), 0, 1, versionOf(1));
    expect(fixture.tree.get(probe)).toBe(PENDING);
  });

  it('copies what it has found before it loads a block of another table', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    fixture.commit([put('k', 'found'), put('x', 'other')]);
    fixture.tree.seal();
    await fixture.flushOldest();
    fixture.ingest([put('k', 'newer')]);
    const probe = new Probe();
    probe.reset(Buffer.from('k'), 0, 1, versionOf(2));
    const found: string[] = [];
    while (fixture.tree.get(probe) === PENDING) {
      fixture.tree.loadSync(probe);
      if (!probe.found) continue;
      // The cache may have put the new block where the value was.
      expect(probe.valueBytes).not.toBe(fixture.cache.heap.bytes);
      const end = probe.valueStart + probe.valueLength;
      found.push(text(probe.valueBytes.slice(probe.valueStart, end)));
    }
    expect(found).toContain('found');
    expect(probe.version).toBe(2);
  });

  it('puts all of a commit in one memtable, and an entry larger than a memtable in one made for it', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), 16_384);
    for (let round = 0; round < 20; round++) {
      const changes = Array.from({ length: 50 }, (_, i) => put(`${i}`.padStart(5, '0'), 'x'.repeat(37)));
      fixture.commit(changes);
      const versions = [fixture.tree.view.memtable, ...fixture.tree.view.sealed].map((m) => [
        m.minVersion,
        m.maxVersion,
      ]);
      for (let i = 1; i < versions.length; i++) {
        expect(versions[i]?.[1]).toBeLessThan(versions[i - 1]?.[0] ?? 0);
      }
    }
    fixture.commit([put('large', 'y'.repeat(1 << 20))]);
    expect(fixture.tree.sealedCount).toBeGreaterThan(1);
    while (fixture.tree.sealedCount > 0) await fixture.flushOldest();
    expect(fixture.getSync(Buffer.from('large'), fixture.version)).toBe(`large@21=${'y'.repeat(1 << 20)}`);
    expect(fixture.scan(fixture.version, false)).toHaveLength(51);
    const { levels, sealedMemtables } = fixture.tree.stats();
    expect(sealedMemtables).toBe(0);
    expect(levels[0]?.entries).toBeGreaterThan(0);
  });
});

describe('files of dropped tables', () => {
  const dropAll = (fixture: TreeFixture): void => {
    const ids = fixture.tree.rows().map(({ id }) => id);
    fixture.tree.install([], ids);
    fixture.tree.removeFiles(ids);
  };

  it('stay while a scan reads them', () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    const { id } = fixture.ingest([put('a', '1'), put('b', '2')]);
    const scan = fixture.tree.scan();
    const cursor = new VisibleCursor(mergeCursors(scan.cursors), { snapshot: versionOf(1) });
    dropAll(fixture);
    expect(fixture.scan(versionOf(1), false)).toEqual([]);
    expect(fixture.hasFile(id)).toBe(true);
    expect(fixture.tree.stats().doomedTables).toBe(1);
    expect(collect(cursor, false)).toEqual(['a@1=1', 'b@1=2']);
    cursor.close();
    scan.release();
    expect(fixture.hasFile(id)).toBe(false);
    scan.release();
    expect(fixture.tree.stats().doomedTables).toBe(0);
  });

  it('stay while a lookup waits for a block of them', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    const { id } = fixture.ingest([put('a', '1')]);
    const probe = new Probe();
    probe.reset(Buffer.from('a'), 0, 1, versionOf(1));
    expect(fixture.tree.get(probe)).toBe(PENDING);
    const loading = fixture.tree.load(probe);
    dropAll(fixture);
    await loading;
    expect(fixture.hasFile(id)).toBe(true);
    while (fixture.tree.get(probe) === PENDING) fixture.tree.loadSync(probe);
    expect(probe.found).toBe(true);
    expect(fixture.hasFile(id)).toBe(false);
  });

  it('stay while a lookup that has begun in them goes on in the next table', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    fixture.commit([put('k', 'older')]);
    fixture.tree.seal();
    await fixture.flushOldest();
    const { id } = fixture.ingest([put('k', 'newer')]);
    const probe = new Probe();
    probe.reset(Buffer.from('k'), 0, 1, versionOf(2));
    while (fixture.tree.get(probe) === PENDING && !probe.found) fixture.tree.loadSync(probe);
    expect(probe.version).toBe(1);
    dropAll(fixture);
    expect(fixture.hasFile(id)).toBe(true);
    do fixture.tree.loadSync(probe);
    while (fixture.tree.get(probe) === PENDING);
    expect(probe.version).toBe(2);
    expect(fixture.hasFile(id)).toBe(false);
    expect(fixture.tree.stats().doomedTables).toBe(0);
  });

  it('stay while someone retains the table, and go at once otherwise', () => {
    const fixture = new TreeFixture(temporaryDirectory(), 1 << 20);
    const kept = fixture.ingest([put('a', '1')]);
    const free = fixture.ingest([put('b', '1')]);
    const table = fixture.tree.view.table(kept);
    const releases = [fixture.tree.retain(table), fixture.tree.retain(table)];
    fixture.tree.destroy();
    expect(fixture.hasFile(free.id)).toBe(false);
    for (const release of releases) {
      expect(fixture.hasFile(kept.id)).toBe(true);
      release();
      release();
    }
    expect(fixture.hasFile(kept.id)).toBe(false);
  });
});
