/** `open` as the package exports it: a database that can import. */

import type { EncodingName } from '../base/encoding.ts';
import { type Db, open as openDatabase } from '../db.ts';
import type { DbOptions } from '../db-options.ts';
import { Imports } from './imports.ts';

/**
 * Opens a database directory, or makes one.
 *
 * @throws SluiceError LOCKED when another process has it open for writing, NOT_A_DATABASE, ALREADY_EXISTS, CORRUPTION,
 * UNSUPPORTED_FORMAT, PERMISSION, NO_SPACE; TypeError for wrong options.
 */
export function open<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>(
  dir: string,
  options: DbOptions<KE, VE> = {},
): Promise<Db<KE, VE>> {
  return openDatabase(dir, options, (db, engine) => new Imports(db, engine));
}
