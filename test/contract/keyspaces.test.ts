/** Opening keyspaces by name and by object: encodings, types, and names that mean nothing. */

import { join } from 'node:path';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { Keyspace, TransactionKeyspace } from '../../src/index.ts';
import { memoryDirectory, outcomeOf, type TextDb } from '../base/database.ts';
import { DATABASES } from './databases.ts';

async function messageOf(act: () => unknown): Promise<string> {
  try {
    await act();
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe.each(DATABASES)('$name', ({ openers }) => {
  const { openDatabase, settled } = openers();

  async function openHere(): Promise<TextDb> {
    return openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
  }

  describe('a keyspace object in a transaction', () => {
    test('keeps its encodings, for values and for types', async () => {
      const db = await openHere();
      const users = db.keyspace('users', { valueEncoding: 'json' });
      const blobs = db.keyspace('blobs', { keyEncoding: 'json', valueEncoding: 'view' });
      await db.transaction(async (txn) => {
        const inside = txn.keyspace(users);
        expectTypeOf(inside).toEqualTypeOf<TransactionKeyspace<'utf8', 'json'>>();
        inside.put('ada', { visits: 1 });
        expect(await inside.get('ada')).toEqual({ visits: 1 });
        const bytes = txn.keyspace(blobs);
        expectTypeOf(bytes.getSync([1])).toEqualTypeOf<Uint8Array | undefined>();
        bytes.put([1], new Uint8Array([7]));
        expect(await bytes.iterator().all()).toEqual([[[1], new Uint8Array([7])]]);
      });
      expect(await users.get('ada')).toEqual({ visits: 1 });
      expect(await blobs.get([1])).toEqual(new Uint8Array([7]));
    });

    test('by name has the encodings of the database, or those given', async () => {
      const db = await openHere();
      await db.keyspace('users', { valueEncoding: 'json' }).put('ada', { visits: 1 });
      await db.transaction(async (txn) => {
        const plain = txn.keyspace('users');
        expectTypeOf(plain).toEqualTypeOf<TransactionKeyspace<'utf8', 'utf8'>>();
        expect(await plain.get('ada')).toBe('{"visits":1}');
        const json = txn.keyspace('users', { valueEncoding: 'json' });
        expectTypeOf(json).toEqualTypeOf<TransactionKeyspace<'utf8', 'json'>>();
        expect(json.getSync('ada')).toEqual({ visits: 1 });
      });
    });

    test('may be the database itself, and must be of the same one', async () => {
      const [db, other] = [await openHere(), await openHere()];
      await other.put('a', 'theirs');
      await db.transaction((txn) => txn.keyspace(db).put('a', 'ours'));
      expect(await db.get('a')).toBe('ours');
      const txn = db.begin();
      expect(await outcomeOf(() => txn.keyspace(other))).toBe(
        'TypeError: keyspace belongs to another database',
      );
      txn.abort();
      expect(await outcomeOf(() => txn.keyspace(db))).toBe('CLOSED');
    });

    test('of a dropped keyspace brings nothing back', async () => {
      const db = await openHere();
      const users = db.keyspace('users');
      await settled();
      await db.dropKeyspace('users');
      const txn = db.begin();
      txn.keyspace(users).put('ada', '1');
      expect(await outcomeOf(() => txn.commit())).toBe('KEYSPACE_NOT_FOUND');
      expect(db.keyspaces()).toEqual(['default']);
    });
  });

  describe('create: false', () => {
    test('opens what is there, and makes nothing', async () => {
      const db = await openHere();
      await db.keyspace('users').put('ada', '1');
      expect(await db.keyspace('users', { create: false }).get('ada')).toBe('1');
      expect(await outcomeOf(() => db.keyspace('user-settings', { create: false }))).toBe(
        'KEYSPACE_NOT_FOUND',
      );
      await db.transaction(async (txn) => {
        expect(await txn.keyspace('users', { create: false }).get('ada')).toBe('1');
        expect(await outcomeOf(() => txn.keyspace('elsewhere', { create: false }))).toBe(
          'KEYSPACE_NOT_FOUND',
        );
      });
      expect(db.keyspaces()).toEqual(['default', 'users']);
      const given: { create: boolean } = JSON.parse('{"create":"no"}');
      expect(await outcomeOf(() => db.keyspace('users', given))).toMatch(
        /^TypeError: options.create must be/,
      );
    });

    test.each([
      ['sesions', 'did you mean "sessions"?'],
      ['Sessions', 'did you mean "sessions"?'],
      ['session', 'did you mean "sessions"?'],
      ['sessoins', 'did you mean "sessions"?'],
      ['user', 'did you mean "users" or "users-2025"?'],
      ['prices', 'there are: "default", "sessions", "users", "users-2025"'],
      ['', 'name must have 1 to 255 bytes; got 0'],
    ])('a miss of %j names what may have been meant', async (typed, hint) => {
      const db = await openHere();
      for (const name of ['sessions', 'users', 'users-2025']) db.keyspace(name);
      await settled();
      const message = await messageOf(() => db.keyspace(typed, { create: false }));
      expect(message).toBe(typed === '' ? hint : `There is no keyspace ${JSON.stringify(typed)}; ${hint}`);
    });

    test('many keyspaces make no long message', async () => {
      const db = await openHere();
      for (let n = 100; n < 130; n++) db.keyspace(`k${n}x${n}`);
      await settled();
      const message = await messageOf(() => db.keyspace('elsewhere', { create: false }));
      expect(message).toMatch(/; there are: "default", (?:"k\d+x\d+", ){6}"k\d+x\d+" and 23 more$/);
    });
  });

  test('reading makes no keyspace: not in a read-only database, not in a read-only transaction', async () => {
    const dir = join(memoryDirectory(), 'db');
    const writer = await openDatabase(dir);
    await writer.keyspace('users').put('ada', '1');
    const txn = writer.begin({ readOnly: true });
    expect(await outcomeOf(() => txn.keyspace('uesrs'))).toBe('KEYSPACE_NOT_FOUND');
    await writer.dropKeyspace('users');
    // The transaction still sees the generation that was there when it began.
    expect(await txn.keyspace('users').get('ada')).toBe('1');
    txn.abort();
    writer.keyspace('sessions');
    await writer.put('a', '1');
    const reader = await openDatabase(dir, { readOnly: true });
    const open = (name: string): Keyspace<'utf8', 'utf8'> => reader.keyspace(name);
    expect(await messageOf(() => open('sesions'))).toContain('did you mean "sessions"?');
    expect(await outcomeOf(() => reader.begin({ readOnly: true }).keyspace('users'))).toBe(
      'KEYSPACE_NOT_FOUND',
    );
    expect(writer.keyspaces()).toEqual(['default', 'sessions']);
  });
});
