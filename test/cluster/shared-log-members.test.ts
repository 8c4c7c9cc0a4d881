/** What a shared log must know besides entries: who holds which file, who lives, settings, leases. */

import { describe, expect, test } from 'vitest';
import { until } from '../fixtures/etcd.ts';
import { appended, bytes, DIGESTS, id, LOGS, member, openLogs, SETTINGS, take } from './logs.ts';

describe.each(LOGS)('members of $name', (implementation) => {
  const open = openLogs(implementation);

  describe('stagings', () => {
    const [one = '', two = ''] = DIGESTS;

    test('are needed from a majority, of which each node counts once', async () => {
      const [a, b] = await open.two();
      await a.config(SETTINGS);
      await a.announceFile(one, 'a');
      await a.announceFile(one, 'a');
      expect(await a.append({ id: id(1), bytes: bytes('x'), stagings: [one, two] })).toEqual({
        missing: [one, two],
      });
      expect(await a.head()).toBe(0);
      await b.announceFile(one, 'b');
      expect(await b.holders(one)).toEqual(['a', 'b']);
      expect(await a.append({ id: id(1), bytes: bytes('x'), stagings: [one, two] })).toEqual({
        missing: [two],
      });
      expect(await appended(a, 1, 'x', [one])).toBe(await b.head());
    });

    test('are asked at the append: a holder that forgot no longer counts', async () => {
      const [a, b] = await open.two();
      await a.config(SETTINGS);
      for (const node of ['a', 'b', 'c']) await a.announceFile(one, node);
      await appended(a, 1, 'all hold it', [one]);
      await b.forgetFile(one, 'c');
      await b.forgetFile(one, 'c');
      await appended(a, 2, 'two hold it', [one]);
      await b.forgetFile(one, 'b');
      expect(await a.append({ id: id(3), bytes: bytes('x'), stagings: [one] })).toEqual({ missing: [one] });
      await b.announceFile(one, 'b');
      await appended(a, 3, 'two hold it again', [one]);
      await b.announceFile(two, 'b');
      expect([...(await a.heldBy('b'))].sort()).toEqual([one, two].sort());
      expect(await a.heldBy('a')).toEqual([one]);
      await a.forgetNode('b');
      expect(await a.heldBy('b')).toEqual([]);
      expect(await a.holders(one)).toEqual(['a']);
      expect(await a.append({ id: id(4), bytes: bytes('x'), stagings: [one] })).toEqual({ missing: [one] });
    });

    test('of an entry that was appended do not matter to its second append', async () => {
      const [a, b] = await open.two();
      await a.config(SETTINGS);
      for (const node of ['a', 'b']) await a.announceFile(one, node);
      const first = await appended(a, 1, 'x', [one]);
      await b.forgetFile(one, 'a');
      expect(await appended(a, 1, 'x', [one])).toBe(first);
    });

    test('may be hundreds in one entry', async () => {
      const log = await open.one();
      await log.config({ ...SETTINGS, replicas: 1 });
      const digests = Array.from({ length: 250 }, (_, n) => id(n).repeat(2));
      await Promise.all(digests.slice(1).map((digest) => log.announceFile(digest, 'a')));
      expect(await log.append({ id: id(1), bytes: bytes('x'), stagings: digests })).toEqual({
        missing: digests.slice(0, 1),
      });
      await log.announceFile(digests[0] ?? '', 'a');
      await appended(log, 1, 'x', digests);
    });

    test('announced and forgotten by all at once while entries name them: what is appended had a majority', async () => {
      const [a, b] = await open.two();
      await a.config(SETTINGS);
      await a.announceFile(one, 'a');
      let isDone = false;
      const toggling = (async () => {
        for (let round = 0; round < 10; round++) {
          await b.announceFile(one, 'b');
          await b.forgetFile(one, 'b');
        }
        isDone = true;
      })();
      const outcomes = { appended: 0, missing: 0 };
      for (let n = 0; !isDone || n < 10; n++) {
        const result = await a.append({ id: id(n), bytes: bytes(String(n)), stagings: [one] });
        if ('missing' in result) outcomes.missing++;
        else outcomes.appended++;
      }
      await toggling;
      expect(outcomes.missing).toBeGreaterThan(0);
      expect(await take(a, 0, outcomes.appended)).toHaveLength(outcomes.appended);
      expect(await a.append({ id: id(9999), bytes: bytes('x'), stagings: [one] })).toEqual({
        missing: [one],
      });
    });
  });

  describe('members', () => {
    test('are those announced, by name, in their newest state', async () => {
      const [a, b] = await open.two();
      expect(await a.members()).toEqual([]);
      await b.announce(member('b', 5));
      await a.announce({ ...member('a'), url: 'http://127.0.0.1:1', condition: 'lagging' });
      await b.announce(member('b', 9));
      expect(await a.members()).toEqual([
        { ...member('a'), url: 'http://127.0.0.1:1', condition: 'lagging' },
        member('b', 9),
      ]);
      expect(await b.members()).toEqual(await a.members());
    });

    test('are gone when they close, and when they are forgotten', async () => {
      const [a, b] = await open.two();
      await a.announce(member('a'));
      await b.announce(member('b'));
      await b.close();
      expect((await a.members()).map(({ node }) => node)).toEqual(['a']);
      await a.forgetNode('a');
      expect(await a.members()).toEqual([]);
    });

    test('have a name each: another process is refused it, unless it is of the same directory, and then the one before it is', async () => {
      const [a, twin] = await open.two();
      await a.announce(member('x', 1));
      const other = { ...member('x', 2), session: 'another', home: 'elsewhere' };
      await expect(twin.announce(other)).rejects.toMatchObject({ code: 'LOCKED' });
      await a.announce(member('x', 3));
      expect(await twin.members()).toEqual([member('x', 3)]);
      const again = { ...member('x', 4), session: 'another' };
      await twin.announce(again);
      await expect(a.announce(member('x', 5))).rejects.toMatchObject({ code: 'LOCKED' });
      expect(await a.members()).toEqual([again]);
    });

    test('are told to those who watch, at once and at each change, until they stop', async () => {
      const [a, b] = await open.two();
      await a.announce(member('a'));
      const told: string[] = [];
      const stop = a.watchMembers((members) =>
        told.push(members.map(({ node, appliedRevision }) => `${node}${appliedRevision}`).join()),
      );
      await until('the first is told', () => told.includes('a0') || undefined);
      await b.announce(member('b', 3));
      await until('the second is told', () => told.includes('a0,b3') || undefined);
      await b.close();
      await until('the end of the second is told', () => told.at(-1) === 'a0' || undefined);
      stop();
      const before = told.length;
      await a.announce(member('a', 77));
      const others: string[] = [];
      const stopOther = a.watchMembers((members) => others.push(String(members[0]?.appliedRevision)));
      await until('another is told', () => others.includes('77') || undefined);
      stopOther();
      expect(told).toHaveLength(before);
    });
  });

  test('settings are those of the first', async () => {
    const [a, b] = await open.two();
    const proposals = [SETTINGS, { clusterId: 'two', replicas: 5, windowVersions: 7 }] as const;
    const answers = await Promise.all([a.config(proposals[0]), b.config(proposals[1])]);
    expect(answers[0]).toEqual(answers[1]);
    expect(proposals).toContainEqual(answers[0]);
    expect(await a.config({ clusterId: 'three', replicas: 1, windowVersions: 1 })).toEqual(answers[0]);
  });

  test('a lease has one holder, until it closes', async () => {
    const [a, b] = await open.two();
    const first = await Promise.all([a.lease('trim', 'a'), b.lease('trim', 'b')]);
    expect(first.filter(Boolean)).toHaveLength(1);
    const [holder, other] = first[0] ? [a, b] : [b, a];
    expect([await holder.lease('trim', 'x'), await other.lease('trim', 'y')]).toEqual([true, false]);
    expect(await other.lease('another', 'y')).toBe(true);
    await holder.close();
    expect(await other.lease('trim', 'y')).toBe(true);
  });
});
