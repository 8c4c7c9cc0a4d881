/**
 * A walk over the pages of an LMDB tree before LMDB gets them: it maps the file, and a page number that lies beyond the
 * end of a file cut short kills the process with SIGBUS.
 *
 * A page starts with 24 bytes: its number (8), transaction (8), flags at 18, lower and upper end of its free space at
 * 20 and 22. Then a u16 for each node, its offset; offsets and ends count from after the 24 bytes. A node: u32 size of
 * the value, u16 flags (in a branch both are the page number), u16 length of the key, key, value. A large value is the u64
 * number of its first overflow page, which has 24 bytes before the value as well.
 */

import { fixed32 } from '../base/codec.ts';
import type { File } from '../base/env/file-system.ts';

const HEADER_BYTES = 24;
const NODE_BYTES = 8;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const NODE_BIG = 1;
const NODE_TREE = 2;
const TREE_BYTES = 48;
const TREE_ROOT = 40;
/** An empty tree has the root ~0, which as a double is this. */
const NO_PAGE = 2 ** 64;

export function u64(bytes: Uint8Array, at: number): number {
  return fixed32(bytes, at + 4) * 2 ** 32 + fixed32(bytes, at);
}

export function u16(bytes: Uint8Array, at: number): number {
  return fixed32(bytes, at) & 0xffff;
}

export class TreePages {
  readonly #file: File;
  readonly #pageBytes: number;
  readonly #pages: number;
  /** A page belongs to one tree, in one place. */
  readonly #seen: Uint8Array;

  constructor(file: File, pageBytes: number) {
    this.#file = file;
    this.#pageBytes = pageBytes;
    this.#pages = Math.floor(file.sizeSync() / pageBytes);
    this.#seen = new Uint8Array(this.#pages);
  }

  /** What is wrong with the tree; undefined when all its pages are there and of the right form. */
  problem(root: number): string | undefined {
    const left = root === NO_PAGE ? [] : [root];
    const page = new Uint8Array(this.#pageBytes + 4); // fixed32 reads beyond the last u16
    for (let number = left.pop(); number !== undefined; number = left.pop()) {
      const wrong = this.#take(number, 1) ?? this.#read(page, number) ?? this.#walk(page, number, left);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #take(number: number, count: number): string | undefined {
    if (number < 2 || number + count > this.#pages) {
      return `it ends after ${this.#pages} pages of ${this.#pageBytes} bytes, and page ${number} lies beyond`;
    }
    for (let i = number; i < number + count; i++) {
      if (this.#seen[i] === 1) return `page ${i} stands in two places`;
      this.#seen[i] = 1;
    }
    return undefined;
  }

  #read(page: Uint8Array, number: number): string | undefined {
    this.#file.readSync(page, 0, this.#pageBytes, number * this.#pageBytes);
    return u64(page, 0) === number ? undefined : `page ${number} is not what it should be`;
  }

  /** Adds the pages below to `left`. */
  #walk(page: Uint8Array, number: number, left: number[]): string | undefined {
    const kind = u16(page, 18) & (BRANCH | LEAF | OVERFLOW);
    const lower = HEADER_BYTES + u16(page, 20);
    if ((kind !== BRANCH && kind !== LEAF) || lower > this.#pageBytes) {
      return `page ${number} is neither branch nor leaf`;
    }
    for (let at = HEADER_BYTES; at < lower; at += 2) {
      const node = HEADER_BYTES + u16(page, at);
      if (node < lower || node + NODE_BYTES > this.#pageBytes)
        return `page ${number} has a node outside of it`;
      const wrong = kind === BRANCH ? this.#branch(page, node, left) : this.#leaf(page, node, left);
      if (wrong !== undefined) return `${wrong} (in page ${number})`;
    }
    return undefined;
  }

  #branch(page: Uint8Array, node: number, left: number[]): string | undefined {
    left.push(u16(page, node + 4) * 2 ** 32 + fixed32(page, node));
    return node + NODE_BYTES + u16(page, node + 6) > this.#pageBytes ? 'a key ends outside' : undefined;
  }

  #leaf(page: Uint8Array, node: number, left: number[]): string | undefined {
    const bytes = fixed32(page, node);
    const flags = u16(page, node + 4);
    const value = node + NODE_BYTES + u16(page, node + 6);
    const big = (flags & NODE_BIG) !== 0;
    if (value + (big ? 8 : bytes) > this.#pageBytes) return 'a value ends outside';
    if (big) return this.#take(u64(page, value), Math.ceil((HEADER_BYTES + bytes) / this.#pageBytes));
    if ((flags & NODE_TREE) !== 0 && bytes >= TREE_BYTES) {
      const root = u64(page, value + TREE_ROOT);
      if (root !== NO_PAGE) left.push(root);
    }
    return undefined;
  }
}
