/** A file as an answer: the range that is asked for, or where else it is to be had. */

import type { File, FileSystem } from '../../base/env/file-system.ts';
import { SluiceError } from '../../base/errors.ts';
import type { ThreadSender } from '../files/thread-sender.ts';
import type { Call } from './call.ts';
import { RequestError } from './status-codes.ts';

/** Each has to be taken within `stallMs`. */
const CHUNK_BYTES = 512 << 10;
/** Less is sent here before the other thread would have been asked. */
const REDIRECT_BYTES_MIN = 4 << 20;
/** In a request: who asks follows to another port of this host. */
export const FOLLOWS = 'sluice-follows';

/** From here, or, where `sender` can and whoever asks follows, from another thread. @throws SluiceError FILE_NOT_FOUND; RequestError */
export async function serveFile(
  call: Call,
  path: string,
  fs: FileSystem,
  sender: ThreadSender | undefined,
): Promise<void> {
  const { bytes } = fs.statSync(path);
  const [start, end] = rangeOf(call.header('range'), bytes) ?? [0, bytes];
  // As whoever asks calls this host: no other name is sure to lead him here.
  const base = `${call.isSecure ? 'https' : 'http'}://${call.header('host')}`;
  const follows = call.header(FOLLOWS) !== undefined && URL.canParse(base);
  if (sender !== undefined && follows && end - start >= REDIRECT_BYTES_MIN) {
    const lent = await sender.lend(path);
    if (lent !== undefined) {
      const location = new URL(lent.target, base);
      location.port = String(lent.port);
      call.answer(307, {}, { location: location.href });
      await lent.returned;
      return;
    }
  }
  await sendFile(call, await fs.open(path, 'read'));
}

/** The bytes that the Range header asks for. Closes the file. */
export async function sendFile(call: Call, file: File): Promise<void> {
  try {
    const bytes = file.sizeSync();
    const range = rangeOf(call.header('range'), bytes);
    const [start, end] = range ?? [0, bytes];
    call.begin(range === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
      'accept-ranges': 'bytes',
      ...(range !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${bytes}` }),
    });
    if (!call.isHead) await sendBytes(call, file, start, end);
    call.end();
  } finally {
    file.closeSync();
  }
}

async function sendBytes(call: Call, file: File, start: number, end: number): Promise<void> {
  // One is read while the other is sent. Fresh memory for each piece would cost more than all else here.
  const chunkBytes = Math.min(CHUNK_BYTES, end - start);
  let [chunk, other] = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)];
  let sending: Promise<void> = Promise.resolve();
  try {
    for (let at = start; at < end; ) {
      const n = await file.read(chunk, 0, Math.min(chunkBytes, end - at), at);
      // Shorter than it was: whoever reads must not take it for the whole.
      if (n === 0) throw new SluiceError('CORRUPTION', `${file.path} ends at byte ${at}, not at ${end}`);
      await sending;
      sending = call.send(n === chunk.length ? chunk : chunk.subarray(0, n));
      sending.catch(() => undefined); // told where it is awaited
      [chunk, other] = [other, chunk];
      at += n;
    }
  } finally {
    await sending;
  }
}

/** [start, end) of the one range that is asked for; undefined: all. @throws RequestError */
export function rangeOf(header: string | undefined, bytes: number): readonly [number, number] | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header);
  if (match === null) throw new RequestError(400, 'range must be bytes=FROM- or bytes=FROM-TO, one range');
  const start = Number(match[1]);
  const last = match[2] === '' ? bytes - 1 : Number(match[2]);
  if (start >= bytes || last < start)
    throw new RequestError(416, `the file has ${bytes} bytes`, { 'content-range': `bytes */${bytes}` });
  return [start, Math.min(last + 1, bytes)];
}
