/**
 * A look at an LMDB data file before LMDB gets it: lmdb-js 3.5 does not survive a failed open (the process dies when
 * the half-made environment is collected), and LMDB believes the page numbers of a meta page.
 *
 * A page starts with 24 bytes, its flags at 18; a meta page goes on with magic, version, address, map size, the free
 * and the main tree (48 bytes each: page size of the file at 0 of the first, root at 40), last page, transaction id.
 */

import { fixed32 } from '../base/codec.ts';
import type { FileSystem } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';

const META_FLAG = 8;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_BYTES = 168;
/** An empty tree has the root ~0, which as a double is this. */
const NO_PAGE = 2 ** 64;

function u64(bytes: Uint8Array, at: number): number {
  return fixed32(bytes, at + 4) * 2 ** 32 + fixed32(bytes, at);
}

/**
 * Throws CORRUPTION, UNSUPPORTED_FORMAT, PERMISSION … where LMDB would fail to open the file. An empty file passes:
 * LMDB makes an environment of it.
 */
export function checkMetaPages(fs: FileSystem, path: string, readOnly: boolean): void {
  const file = fs.openSync(path, readOnly ? 'read' : 'update');
  try {
    const size = file.sizeSync();
    if (size === 0) return;
    const first = new Uint8Array(META_BYTES);
    const second = new Uint8Array(META_BYTES);
    const damage = (what: string): SluiceError =>
      new SluiceError('CORRUPTION', `The manifest ${path} is damaged: ${what}. Restore it from a backup`);
    if (file.readSync(first, 0, META_BYTES, 0) < META_BYTES) throw damage(`it has only ${size} bytes`);
    const pageBytes = fixed32(first, 48);
    const validSize = pageBytes >= 512 && pageBytes <= 65536 && (pageBytes & (pageBytes - 1)) === 0;
    if (!validSize || file.readSync(second, 0, META_BYTES, pageBytes) < META_BYTES) {
      throw damage('its first page is not one of LMDB');
    }
    for (const meta of [first, second]) {
      const flags = fixed32(meta, 16) >>> 16;
      if ((flags & META_FLAG) === 0 || fixed32(meta, 24) !== MAGIC) throw damage('it is not a file of LMDB');
      const version = fixed32(meta, 28) & 0xffff;
      if (version !== DATA_VERSION) {
        throw new SluiceError(
          'UNSUPPORTED_FORMAT',
          `The manifest ${path} has LMDB's data version ${version}`,
        );
      }
    }
    const newest = u64(first, 152) > u64(second, 152) ? first : second;
    for (const root of [u64(newest, 88), u64(newest, 136)]) {
      if (root < NO_PAGE && (root + 1) * pageBytes > size) {
        throw damage(`it has ${size} bytes, and page ${root} of ${pageBytes} bytes lies beyond`);
      }
    }
  } finally {
    file.closeSync();
  }
}
