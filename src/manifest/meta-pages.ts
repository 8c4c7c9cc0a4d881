/**
 * A look at an LMDB data file before LMDB gets it: lmdb-js 3.5 does not survive a failed open (the process dies when
 * the half-made environment is collected), and LMDB believes the page numbers of a meta page.
 *
 * A page starts with 24 bytes, its flags at 18; a meta page goes on with magic, version, address, map size, the free
 * and the main tree (48 bytes each: page size of the file at 0 of the first, root at 40), last page, transaction id.
 */

import { fixed32 } from '../base/codec.ts';
import type { File, FileSystem } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';
import { TreePages, u16, u64 } from './tree-pages.ts';

const META_FLAG = 8;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_BYTES = 168;
/** Where both meta pages agree: page size and flags, which are those of the making of the file. */
const PAGE_SIZE = 48;
const FLAGS = 52;
const FREE_ROOT = 88;
const MAIN_ROOT = 136;
const LAST_PAGE = 144;
const TRANSACTION = 152;
/** How far the last page may lie beyond the end: LMDB need not write pages that one transaction took and gave back. */
const PAGES_BEYOND_MAX = 1 << 20;
/** At a file that a process beside this one goes on to write. */
const LOOKS_MAX = 20;

/**
 * Throws CORRUPTION, UNSUPPORTED_FORMAT, PERMISSION … where LMDB would fail to open the file, read beyond its end, or
 * take an old state for the newest. For a writer an empty file passes: LMDB makes an environment of it.
 */
export function checkMetaPages(fs: FileSystem, path: string, readOnly: boolean): void {
  const file = fs.openSync(path, readOnly ? 'read' : 'update');
  try {
    if (!readOnly && file.sizeSync() === 0) return;
    for (let look = 1; ; look++) {
      const metas = readMetas(file);
      const wrong = problem(file, metas);
      if (wrong === undefined) return;
      // The pages of the newest commit stand still until the next one: then that may have been it.
      const still = Buffer.compare(metas, readMetas(file)) === 0;
      if (still || look === LOOKS_MAX) throw wrong;
    }
  } finally {
    file.closeSync();
  }
}

/** Both meta pages, one behind the other; the second is empty where the first does not tell its place. */
function readMetas(file: File): Uint8Array {
  const metas = new Uint8Array(2 * META_BYTES);
  const pageBytes = file.readSync(metas, 0, META_BYTES, 0) < META_BYTES ? 0 : fixed32(metas, PAGE_SIZE);
  if (isPageSize(pageBytes)) file.readSync(metas, META_BYTES, META_BYTES, pageBytes);
  return metas;
}

function isPageSize(bytes: number): boolean {
  return bytes >= 512 && bytes <= 65536 && (bytes & (bytes - 1)) === 0;
}

function problem(file: File, metas: Uint8Array): SluiceError | undefined {
  const damage = (what: string): SluiceError =>
    new SluiceError('CORRUPTION', `The manifest ${file.path} is damaged: ${what}. Restore it from a backup`);
  const first = metas.subarray(0, META_BYTES);
  const second = metas.subarray(META_BYTES);
  const pageBytes = fixed32(first, PAGE_SIZE);
  if (file.sizeSync() < META_BYTES) return damage(`it has only ${file.sizeSync()} bytes`);
  if (!isPageSize(pageBytes)) return damage('its first page is not one of LMDB');
  for (const meta of [first, second]) {
    if ((u16(meta, 18) & META_FLAG) === 0 || fixed32(meta, 24) !== MAGIC) {
      return damage('it is not a file of LMDB');
    }
    const version = u16(meta, 28);
    if (version !== DATA_VERSION) {
      const message = `The manifest ${file.path} has LMDB's data version ${version}`;
      return new SluiceError('UNSUPPORTED_FORMAT', message);
    }
  }
  const [older, newest] =
    u64(first, TRANSACTION) > u64(second, TRANSACTION) ? [second, first] : [first, second];
  const id = u64(newest, TRANSACTION);
  // Commits take turns with the two pages. Were one lost, the other would show the database as it was before.
  const inTurn = id % 2 === (newest === second ? 1 : 0) && u64(older, TRANSACTION) === id - 1;
  if (id !== 0 && !inTurn) {
    return damage(
      `its meta pages are of the transactions ${u64(first, TRANSACTION)} and ${u64(second, TRANSACTION)}`,
    );
  }
  if (fixed32(second, PAGE_SIZE) !== pageBytes || u16(second, FLAGS) !== u16(first, FLAGS)) {
    return damage('its two meta pages disagree');
  }
  const last = u64(newest, LAST_PAGE);
  if (last > file.sizeSync() / pageBytes + PAGES_BEYOND_MAX)
    return damage(`its last page is said to be ${last}`);
  const pages = new TreePages(file, pageBytes);
  const wrong = pages.problem(u64(newest, FREE_ROOT)) ?? pages.problem(u64(newest, MAIN_ROOT));
  return wrong === undefined ? undefined : damage(wrong);
}
