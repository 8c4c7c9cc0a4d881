/** Where rejected rows are told: one JSON object a line, in the order of the rows. */

import type { File, FileSystem } from '../../base/env/file-system.ts';

const BUFFER_BYTES = 64 << 10;
/** Of a row, so much is told. */
export const RAW_BYTES_MAX = 64 << 10;

export const DUPLICATE = 'the key was there before';

export interface RejectedRow {
  readonly source: string;
  /** From 1. */
  readonly row: number;
  /** Of its first byte; undefined of a row that the format can be read into, which is told by key and value. */
  readonly offset: number | undefined;
  readonly reason: string;
  readonly raw?: Uint8Array;
  readonly key?: Uint8Array;
  readonly value?: Uint8Array;
}

export class RejectFile {
  readonly #fs: FileSystem;
  readonly #path: string;
  #file: File | undefined;
  #lines: string[] = [];
  #buffered = 0;
  #bytes: number;
  #unsynced = false;

  /** What lies behind the first `bytes` of the file is of rows that will be read again. */
  constructor(fs: FileSystem, path: string, bytes: number) {
    this.#fs = fs;
    this.#path = path;
    this.#bytes = bytes;
  }

  add(rejected: RejectedRow): void {
    const line = rejectedLine(rejected);
    this.#lines.push(line);
    this.#buffered += line.length;
    if (this.#buffered >= BUFFER_BYTES) this.#flush();
  }

  /** Returns the bytes of the file, all durable. */
  sync(): number {
    this.#flush();
    if (this.#unsynced) this.#file?.datasyncSync();
    this.#unsynced = false;
    return this.#bytes;
  }

  /** The file is there, even without rows. */
  touch(): void {
    this.#file ??= this.#open();
  }

  close(): void {
    this.#file?.closeSync();
    this.#file = undefined;
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#buffered = 0;
    this.#file ??= this.#open();
    this.#file.writeSync(bytes, 0, bytes.length, this.#bytes);
    this.#bytes += bytes.length;
    this.#unsynced = true;
  }

  #open(): File {
    const exists = this.#fs.existsSync(this.#path);
    const file = this.#fs.openSync(this.#path, exists ? 'update' : 'create');
    file.truncateSync(this.#bytes);
    return file;
  }
}

export function rejectedLine({ source, row, offset, reason, raw, key, value }: RejectedRow): string {
  const bytes = { ...told('raw', raw), ...told('key', key), ...told('value', value) };
  return `${JSON.stringify({ source, row, offset, reason, ...bytes })}\n`;
}

/** As text where it is UTF-8, else in base64. */
function told(name: string, bytes: Uint8Array | undefined): object {
  if (bytes === undefined) return {};
  const some = Buffer.from(bytes.subarray(0, RAW_BYTES_MAX));
  const text = some.toString('utf8');
  return Buffer.from(text).equals(some) ? { [name]: text } : { [`${name}Base64`]: some.toString('base64') };
}
