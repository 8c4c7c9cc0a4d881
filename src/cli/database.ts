/** Opening the database that a command names, for reading or writing, and closing it whatever happens. */

import { type Db, open } from '../db.ts';
import type { Keyspace } from '../txn/keyspace.ts';
import type { Snapshot } from '../txn/snapshot.ts';
import type { Arguments, Flag } from './command.ts';

export const JSON_FLAG: Flag = { type: 'boolean', about: 'print JSON, for programs' };
export const HEX_FLAG: Flag = { type: 'boolean', about: 'keys and values in hex' };
export const READONLY_FLAG: Flag = {
  type: 'boolean',
  about: 'change nothing; works beside a process that writes',
};
export const KEYSPACE_FLAG: Flag = {
  type: 'string',
  value: 'NAME',
  about: 'the keyspace; `default` when absent',
};

export const AT_FLAG: Flag = {
  type: 'string',
  value: 'VERSION',
  about: 'as of this past version, which must be kept; changes nothing, as --readonly',
};

/** A command is done when it has done what it was told: compactions are for whoever keeps the database open. */
const ONE_SHOT = { compaction: 'off' } as const;

/**
 * Opens a database that must be there, and closes it after `use`. Read-only if --readonly says so, and for --at: a writer
 * without the database's keepHistoryMs might collect what is asked for.
 */
export async function withDatabase<T>(args: Arguments, use: (db: Db) => Promise<T>): Promise<T> {
  const db = await open(args.at(0, 'DB'), {
    ...ONE_SHOT,
    readOnly: args.flag('readonly') || args.text('at') !== undefined,
    createIfMissing: false,
  });
  return closing(db, use);
}

/** As `withDatabase`, for commands that write; `create`: make the database when there is none. */
export async function withWritable<T>(
  args: Arguments,
  create: boolean,
  use: (db: Db) => Promise<T>,
): Promise<T> {
  return closing(await open(args.at(0, 'DB'), { ...ONE_SHOT, createIfMissing: create }), use);
}

async function closing<T>(db: Db, use: (db: Db) => Promise<T>): Promise<T> {
  try {
    return await use(db);
  } finally {
    await db.close();
  }
}

/** The read options of --at. */
export function readOptionsOf(db: Db, args: Arguments): { readonly snapshot?: Snapshot } {
  const at = args.count('at');
  return at === undefined ? {} : { snapshot: db.snapshot({ at }) };
}

/** The keyspace of --keyspace, which must be there, or have been at --at: reading creates none. */
export function existingKeyspace(
  db: Db,
  args: Arguments,
  options: { readonly snapshot?: Snapshot } = {},
): Keyspace {
  const name = args.text('keyspace');
  if (name === undefined) return db;
  return db.keyspace(name, { create: false, ...options });
}
