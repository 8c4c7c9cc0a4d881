/**
 * bzip2 streams, one or several after each other, decompressed whole:
 *
 *   stream  "BZh", '1' … '9' (blocks of that many times 100,000 bytes) | blocks | 48 bits 177245385090 hex, CRC of the CRCs
 *   block   48 bits 314159265359 hex | CRC | 1 bit "randomised" | 24 bits origin | symbols used | Huffman tables | symbols
 *
 * All of it is bits, the highest of a byte first. A block's bytes went through run lengths (four equal ones and a count),
 * the Burrows-Wheeler transform, move to front, run lengths of zeros in two digits, and Huffman codes of which another may
 * be chosen every 50 symbols. Nothing that the stream claims is trusted: the output is bounded, every CRC is checked.
 *
 * Ours, as the libraries that are to be had bound no output and come with streams or command lines of their own.
 */

import { at } from '../../../base/assert.ts';
import { SluiceError } from '../../../base/errors.ts';

const BLOCK_UNIT_BYTES = 100_000;
const CODE_BITS_MAX = 20;
const GROUP_SYMBOLS = 50;
const RUN_A = 0;
const RUN_B = 1;

/** Throws BAD_INPUT where it is damaged, or would be more than `maxBytes` long. */
export function bunzip2(input: Uint8Array, maxBytes: number): Uint8Array {
  const bits = new BitReader(input);
  const out = new Output(maxBytes);
  do readStream(bits, out);
  while (!bits.done);
  return out.taken();
}

function readStream(bits: BitReader, out: Output): void {
  if (bits.read(24) !== 0x425a68) throw damaged('it does not begin with BZh');
  const level = bits.read(8) - 0x30;
  if (level < 1 || level > 9) throw damaged('its block size is not 1 to 9');
  let streamCrc = 0;
  for (;;) {
    const [high, low] = [bits.read(24), bits.read(24)];
    if (high === 0x177245 && low === 0x385090) break;
    if (high !== 0x314159 || low !== 0x265359) throw damaged('a block is not where one must be');
    const crc = bits.read32();
    readBlock(bits, level * BLOCK_UNIT_BYTES, out);
    if (out.endBlock() !== crc) throw damaged('the checksum of a block does not match');
    streamCrc = ((streamCrc << 1) | (streamCrc >>> 31)) ^ crc;
  }
  if (bits.read32() !== streamCrc >>> 0) throw damaged('the checksum of the stream does not match');
  bits.toByte();
}

function readBlock(bits: BitReader, blockBytesMax: number, out: Output): void {
  if (bits.read(1) !== 0) throw damaged('it is randomised, as no bzip2 since 1998 writes it');
  const origin = bits.read(24);
  const symbols = readSymbols(bits);
  const endSymbol = symbols.length + 1;
  const groups = bits.read(3);
  if (groups < 2 || groups > 6) throw damaged('its number of Huffman tables is not 2 to 6');
  const selectors = readSelectors(bits, groups);
  const tables = Array.from({ length: groups }, () => readTable(bits, endSymbol + 1));
  const counts = new Int32Array(256);
  const length = readTransformed(bits, blockBytesMax, symbols, selectors, tables, counts);
  if (origin >= length) throw damaged('the origin of a block lies outside of it');
  invert(length, origin, counts, out);
}

/** The byte values that occur in the block, ascending. */
function readSymbols(bits: BitReader): Uint8Array {
  const ranges = bits.read(16);
  const symbols: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >>> range)) === 0) continue;
    const used = bits.read(16);
    for (let i = 0; i < 16; i++) if ((used & (0x8000 >>> i)) !== 0) symbols.push(range * 16 + i);
  }
  if (symbols.length === 0) throw damaged('a block has no symbols');
  return Uint8Array.from(symbols);
}

/** Which table each 50 symbols have. */
function readSelectors(bits: BitReader, groups: number): Uint8Array {
  const count = bits.read(15);
  if (count === 0) throw damaged('a block has no selectors');
  const selectors = new Uint8Array(count);
  const recent = Array.from({ length: groups }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    let place = 0;
    while (bits.read(1) === 1) if (++place >= groups) throw damaged('a selector names no table');
    const [table = 0] = recent.splice(place, 1);
    recent.unshift(table);
    selectors[i] = table;
  }
  return selectors;
}

/** A Huffman table, by lengths of codes: codes ascend with their length, then with the symbol. */
class Table {
  readonly shortest: number;
  /** Above all codes of so many bits, moved to the left of CODE_BITS_MAX bits. */
  readonly limits = new Int32Array(CODE_BITS_MAX + 1);
  /** To be added to a code of so many bits for its place in `symbols`. */
  readonly bases = new Int32Array(CODE_BITS_MAX + 1);
  readonly symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    this.symbols = new Uint16Array(lengths.length);
    let [code, place, shortest] = [0, 0, 0];
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      this.bases[length] = place - code;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        this.symbols[place++] = symbol;
        code++;
        if (shortest === 0) shortest = length;
      }
      if (code > 1 << length) throw damaged('a Huffman table has too many codes');
      this.limits[length] = code << (CODE_BITS_MAX - length);
      code <<= 1;
    }
    this.shortest = shortest;
  }
}

function readTable(bits: BitReader, count: number): Table {
  const lengths = new Uint8Array(count);
  let length = bits.read(5);
  for (let symbol = 0; symbol < count; symbol++) {
    for (;;) {
      if (length < 1 || length > CODE_BITS_MAX) throw damaged('a Huffman code is not 1 to 20 bits long');
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return new Table(lengths);
}

/** The last column of the sorted rotations, in the low bytes; then, by `invert`, the next row in the others. */
let rows = new Uint32Array(BLOCK_UNIT_BYTES);

/** Fills `rows` and `counts`, of each byte value; returns how many rows there are. */
function readTransformed(
  bits: BitReader,
  blockBytesMax: number,
  symbols: Uint8Array,
  selectors: Uint8Array,
  tables: readonly Table[],
  counts: Int32Array,
): number {
  const recent = symbols.slice();
  const endSymbol = symbols.length + 1;
  let [length, run, digit] = [0, 0, 1];
  if (rows.length < blockBytesMax) rows = new Uint32Array(blockBytesMax);
  for (let group = 0; ; group++) {
    const selector = selectors[group];
    if (selector === undefined) throw damaged('a block has more symbols than selectors for them');
    const table = at(tables, selector);
    for (let i = 0; i < GROUP_SYMBOLS; i++) {
      const symbol = bits.symbol(table);
      if (symbol === RUN_A || symbol === RUN_B) {
        run += digit << symbol;
        digit <<= 1;
        if (run > blockBytesMax - length) throw damaged('a block is longer than its stream says');
        continue;
      }
      if (run > 0) {
        const byte = recent[0] as number;
        rows.fill(byte, length, length + run);
        counts[byte] = (counts[byte] as number) + run;
        length += run;
        run = 0;
        digit = 1;
      }
      if (symbol === endSymbol) return length;
      if (length === blockBytesMax) throw damaged('a block is longer than its stream says');
      const byte = recent[symbol - 1] as number;
      recent.copyWithin(1, 0, symbol - 1);
      recent[0] = byte;
      counts[byte] = (counts[byte] as number) + 1;
      rows[length++] = byte;
    }
  }
}

/** The rows in the order of the text. */
function invert(length: number, origin: number, counts: Int32Array, out: Output): void {
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] as number;
    counts[byte] = sum;
    sum += count;
  }
  for (let i = 0; i < length; i++) {
    const byte = (rows[i] as number) & 255;
    const place = counts[byte] as number;
    counts[byte] = place + 1;
    rows[place] = (rows[place] as number) | (i << 8);
  }
  let row = (rows[origin] as number) >>> 8;
  for (let i = 0; i < length; i++) {
    const entry = rows[row] as number;
    out.put(entry & 255);
    row = entry >>> 8;
  }
}

/** Undoes the outer run lengths, and sums. */
class Output {
  readonly #maxBytes: number;
  #bytes: Uint8Array;
  #length = 0;
  #crc = -1;
  #last = -1;
  #equal = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bytes = new Uint8Array(Math.min(maxBytes, 4096));
  }

  put(byte: number): void {
    if (this.#equal === 4) {
      this.#equal = 0;
      const last = this.#last;
      this.#last = -1;
      for (let i = 0; i < byte; i++) this.#one(last);
      return;
    }
    this.#equal = byte === this.#last ? this.#equal + 1 : 1;
    this.#last = byte;
    this.#one(byte);
  }

  #one(byte: number): void {
    if (this.#length === this.#bytes.length) this.#grow();
    this.#bytes[this.#length++] = byte;
    this.#crc = (this.#crc << 8) ^ (CRC_TABLE[(this.#crc >>> 24) ^ byte] as number);
  }

  #grow(): void {
    if (this.#length >= this.#maxBytes) throw damaged(`it is over ${this.#maxBytes} bytes long decompressed`);
    const bytes = new Uint8Array(Math.min(this.#maxBytes, 2 * this.#length));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }

  /** The checksum of the block. */
  endBlock(): number {
    const crc = ~this.#crc >>> 0;
    this.#crc = -1;
    this.#last = -1;
    this.#equal = 0;
    return crc;
  }

  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** CRC-32 with the highest bit first, which `zlib.crc32` is not. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** The low `#held` bits are next; of those, the low `#padding` are zeros beyond the end. */
  #bits = 0;
  #held = 0;
  #padding = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** REQUIRES: `toByte` was called. */
  get done(): boolean {
    return this.#held === 0 && this.#at >= this.#bytes.length;
  }

  /** At most 24 bits. */
  read(count: number): number {
    if (this.#held < count) this.#fill();
    this.#take(count);
    return (this.#bits >>> this.#held) & ((1 << count) - 1);
  }

  read32(): number {
    return this.read(16) * 65536 + this.read(16);
  }

  symbol(table: Table): number {
    if (this.#held < CODE_BITS_MAX) this.#fill();
    const next = (this.#bits >>> (this.#held - CODE_BITS_MAX)) & ((1 << CODE_BITS_MAX) - 1);
    const { limits, bases, symbols } = table;
    let length = table.shortest;
    while (length <= CODE_BITS_MAX && next >= (limits[length] as number)) length++;
    if (length > CODE_BITS_MAX) throw damaged('a Huffman code stands for nothing');
    this.#take(length);
    return symbols[(next >>> (CODE_BITS_MAX - length)) + (bases[length] as number)] as number;
  }

  /** Drops what is left of the byte, and what was read ahead beyond the end. */
  toByte(): void {
    this.#take(this.#held & 7);
    this.#held -= this.#padding;
    this.#padding = 0;
    // Bytes that were read ahead are given back.
    this.#at -= this.#held >>> 3;
    this.#held = 0;
  }

  #take(count: number): void {
    this.#held -= count;
    if (this.#held < this.#padding) throw damaged('it ends early');
  }

  #fill(): void {
    while (this.#held <= 23) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) this.#padding += 8;
      else this.#at++;
      this.#bits = (this.#bits << 8) | (byte ?? 0);
      this.#held += 8;
    }
  }
}

function damaged(what: string): SluiceError {
  return new SluiceError('BAD_INPUT', `bzip2: ${what}`);
}
