/**
 * Hadoop's SequenceFile, from its first byte to the first record; integers have the highest byte first.
 *
 *   header   "SEQ" | version u8, 1 to 6 | class of the keys | class of the values
 *            | version 3 on: compressed u8 | version 4 on: by blocks u8
 *            | version 5 on, if compressed: class of the codec (before: zlib)
 *            | version 6: count u32 of (name, text) that say something | version 2 on: sync marker, 16 bytes
 *   string   vint length | UTF-8; before version 4: u16 length | UTF-8
 *
 *   record   length i32 of key and value | length i32 of the key | key | value, by itself compressed if compressed
 *   block    escape i32 -1 | sync marker | vint records | 4 times: vint length | bytes, compressed:
 *            lengths of the keys (vints), keys, lengths of the values (vints), values
 *   between records, where the writer liked: escape i32 -1 | sync marker
 *
 *   vint     a byte from -112 to 127: itself; else from -113 (positive) or -121 (negative, of ~n) down: 1 to 8 bytes follow
 */

import { SluiceError } from '../../../base/errors.ts';
import type { ByteFeed } from '../byte-feed.ts';
import { type Codec, codecOf } from './codec.ts';
import { int32, vint, vintBytes } from './numbers.ts';

export const SYNC_BYTES = 16;
/** Where a length would be: the sync marker follows. */
export const SYNC_ESCAPE = -1;
const VERSION_MAX = 6;
/** A longer name or text in a header is damage. */
const TEXT_BYTES_MAX = 1 << 20;
const METADATA_MAX = 65536;

export interface Header {
  readonly keyClass: string;
  readonly valueClass: string;
  readonly layout: 'records' | 'blocks';
  /** Undefined: not compressed. */
  readonly codec: Codec | undefined;
  /** Undefined of version 1. */
  readonly sync: Uint8Array | undefined;
}

/** Leaves the feed behind the header. Throws BAD_INPUT, or UNSUPPORTED_FORMAT for what is newer or of a codec that we lack. */
export async function readHeader(feed: ByteFeed, name: string): Promise<Header> {
  const fields = new HeaderFields(feed, name);
  await fields.need(4);
  const { bytes, at } = feed;
  if (bytes[at] !== 0x53 || bytes[at + 1] !== 0x45 || bytes[at + 2] !== 0x51) {
    throw new SluiceError('BAD_INPUT', `${name} is no SequenceFile: it does not begin with SEQ`);
  }
  const version = bytes[at + 3] as number;
  if (version < 1 || version > VERSION_MAX) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `${name} is a SequenceFile of version ${version}; 1 to ${VERSION_MAX} can be read`,
    );
  }
  feed.at += 4;
  const keyClass = await fields.text(version);
  const valueClass = await fields.text(version);
  const compressed = version >= 3 && (await fields.flag());
  const byBlocks = version >= 4 && (await fields.flag());
  const codecClass = compressed && version >= 5 ? await fields.text(version) : undefined;
  if (version >= 6) await fields.skipMetadata();
  const sync = version >= 2 ? await fields.sync() : undefined;
  if (byBlocks && !compressed) {
    throw new SluiceError('BAD_INPUT', `${name}: its header says blocks, but no compression`);
  }
  return {
    keyClass,
    valueClass,
    layout: byBlocks ? 'blocks' : 'records',
    codec: compressed ? await codecOf(codecClass, name) : undefined,
    sync,
  };
}

class HeaderFields {
  readonly #feed: ByteFeed;
  readonly #name: string;

  constructor(feed: ByteFeed, name: string) {
    this.#feed = feed;
    this.#name = name;
  }

  async need(count: number): Promise<void> {
    if (await this.#feed.more(count)) return;
    throw new SluiceError('BAD_INPUT', `${this.#name}: its header is cut short`);
  }

  async flag(): Promise<boolean> {
    await this.need(1);
    return this.#feed.bytes[this.#feed.at++] !== 0;
  }

  async text(version: number): Promise<string> {
    const length = version >= 4 ? await this.#vint() : await this.#u16();
    if (length < 0 || length > TEXT_BYTES_MAX) {
      throw new SluiceError('BAD_INPUT', `${this.#name}: a text of its header claims ${length} bytes`);
    }
    await this.need(length);
    const { bytes, at } = this.#feed;
    this.#feed.at += length;
    return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('utf8');
  }

  async skipMetadata(): Promise<void> {
    await this.need(4);
    const count = int32(this.#feed.bytes, this.#feed.at);
    this.#feed.at += 4;
    if (count < 0 || count > METADATA_MAX) {
      throw new SluiceError('BAD_INPUT', `${this.#name}: its header claims ${count} entries of metadata`);
    }
    for (let i = 0; i < 2 * count; i++) await this.text(VERSION_MAX);
  }

  async sync(): Promise<Uint8Array> {
    await this.need(SYNC_BYTES);
    const { bytes, at } = this.#feed;
    this.#feed.at += SYNC_BYTES;
    return bytes.slice(at, at + SYNC_BYTES);
  }

  async #vint(): Promise<number> {
    await this.need(1);
    const { bytes, at } = this.#feed;
    const size = vintBytes(bytes[at] as number);
    await this.need(size);
    this.#feed.at += size;
    return vint(this.#feed.bytes, this.#feed.at - size);
  }

  async #u16(): Promise<number> {
    await this.need(2);
    const { bytes, at } = this.#feed;
    this.#feed.at += 2;
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  }
}
