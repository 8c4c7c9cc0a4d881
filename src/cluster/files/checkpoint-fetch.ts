/**
 * A database directory from a peer's checkpoint: every file checked by its digest, and the whole under another name until it is. The
 * originals that the peer holds come with it, and go to this node's store.
 */

import { dirname } from 'node:path';
import { at } from '../../base/assert.ts';
import type { Env } from '../../base/env/env.ts';
import { sharedSignal } from '../../base/env/shared-signal.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { CheckpointListing, ListedFile } from '../http/checkpoint-routes.ts';
import type { PeerClient } from '../http/peer-client.ts';
import { removeTree, syncTree } from './directory-tree.ts';
import { type FileStore, isDigest } from './file-store.ts';
import { Slots } from './slots.ts';
import type { Transfers } from './transfers.ts';

const ROOM_BYTES = 64 << 20;
/** Files of a checkpoint: more than any database has. */
const FILES_MAX = 10_000_000;

export interface CheckpointFetch {
  readonly env: Env;
  readonly store: FileStore;
  readonly peer: string;
  readonly transfers: Transfers;
  /** So many transfers at a time. */
  readonly count: number;
}

/** @param dir must not exist; @throws SluiceError UNAVAILABLE, NO_SPACE, ABORTED, ALREADY_EXISTS */
export async function fetchCheckpoint(
  fetch: CheckpointFetch,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const { env, peer } = fetch;
  const { client } = fetch.transfers;
  const { fs } = env;
  if (fs.existsSync(dir)) throw new SluiceError('ALREADY_EXISTS', `${dir} is there already`);
  const partial = `${dir}.fetching`;
  removeTree(fs, partial); // of an attempt that was killed
  const listing = await client.askAtLength(peer, '/checkpoints', signal);
  if (!isListing(listing)) throw new SluiceError('UNAVAILABLE', `${peer} answers what is no checkpoint`);
  try {
    fs.mkdirSync(partial);
    await fetchAll(fetch, listing, partial, signal);
    await syncTree(fs, partial);
    fs.renameSync(partial, dir);
    await fs.syncDirectory(dirname(dir));
    await adoptOriginals(fetch.store, listing, dir);
  } catch (error) {
    removeTree(fs, partial);
    throw error;
  } finally {
    await leave(client, peer, listing.id);
  }
}

/** What cannot be said goodbye to goes by itself. */
async function leave(client: PeerClient, peer: string, id: string): Promise<void> {
  try {
    await client.ask('DELETE', peer, `/checkpoints/${id}`, new AbortController().signal);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
  }
}

async function fetchAll(
  fetch: CheckpointFetch,
  { id, files }: CheckpointListing,
  partial: string,
  signal: AbortSignal,
): Promise<void> {
  const { fs } = fetch.env;
  const bytes = files.reduce((sum, file) => sum + (file.sameAs === undefined ? file.bytes : 0), 0);
  const free = fs.freeBytesSync(partial);
  if (free < bytes + ROOM_BYTES)
    throw new SluiceError(
      'NO_SPACE',
      `The checkpoint of ${fetch.peer} has ${bytes} bytes, and there are ${free} free`,
    );
  const pathOf = (name: string): string => {
    const digest = originalOf(name);
    if (digest === undefined) return `${partial}/${name}`;
    return fetch.store.has(digest) ? fetch.store.path(digest) : fetch.store.partialPath(digest);
  };
  const own = files.filter(({ name }) => originalOf(name) === undefined);
  for (const parent of new Set(own.map(({ name }) => dirname(`${partial}/${name}`)))) fs.mkdirSync(parent);
  const slots = new Slots(fetch.count);
  const failed = new AbortController();
  const either = sharedSignal(AbortSignal.any([signal, failed.signal]));
  const fetched = files.map(async (file, index) => {
    const digest = originalOf(file.name);
    if (file.sameAs !== undefined || (digest !== undefined && fetch.store.has(digest))) return;
    try {
      await slots.run(either, () => fetchOne(fetch, id, index, file, pathOf(file.name), either));
    } catch (error) {
      failed.abort();
      throw error;
    }
  });
  const outcomes = await Promise.allSettled(fetched);
  // The first failure ended the others.
  const reasons = outcomes.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
  if (reasons.length > 0) throw reasons.find((one) => !isSluiceError(one, 'ABORTED')) ?? reasons[0];
  for (const { name, sameAs } of own)
    if (sameAs !== undefined) fs.linkSync(pathOf(at(files, sameAs).name), pathOf(name));
}

/** The directory has its name already: what a crash leaves out here is fetched from a peer where it is needed. */
async function adoptOriginals(store: FileStore, { files }: CheckpointListing, dir: string): Promise<void> {
  for (const { name, bytes, sameAs } of files) {
    const digest = originalOf(name);
    if (digest === undefined || store.has(digest)) continue;
    if (sameAs === undefined) await store.adopt(store.partialPath(digest), { digest, bytes });
    else await store.hold(`${dir}/${at(files, sameAs).name}`, { digest, bytes });
  }
}

/** The digest of an original, by the name that a checkpoint gives it. */
function originalOf(name: string): string | undefined {
  return /^cluster\/files\/([0-9a-f]{64})$/.exec(name)?.[1];
}

async function fetchOne(
  { transfers, peer }: CheckpointFetch,
  id: string,
  index: number,
  { name, bytes, sha256 }: ListedFile,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const target = `/checkpoints/${id}/${index}`;
  const digest = originalOf(name) ?? sha256 ?? (await askDigest(transfers.client, peer, target, signal));
  await transfers.begin({ file: { digest, bytes }, path, target }, [peer], signal).done;
}

async function askDigest(
  client: PeerClient,
  peer: string,
  url: string,
  signal: AbortSignal,
): Promise<string> {
  const answer = await client.askAtLength(peer, `${url}/sha256`, signal);
  if (typeof answer === 'object' && answer !== null && 'sha256' in answer) {
    const { sha256 } = answer;
    if (typeof sha256 === 'string' && isDigest(sha256)) return sha256;
  }
  throw new SluiceError('UNAVAILABLE', `${peer} does not tell the digest of a file`);
}

/** A peer cannot make us write outside the directory. */
const NAME = /^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*$/;

function isListing(value: unknown): value is CheckpointListing {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('files' in value)) return false;
  const { id, files } = value;
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) return false;
  return Array.isArray(files) && files.length <= FILES_MAX && files.every(isListed) && isOrdered(files);
}

function isListed(file: unknown): file is ListedFile {
  if (typeof file !== 'object' || file === null || !('name' in file) || !('bytes' in file)) return false;
  const { name, bytes } = file;
  const sameAs = 'sameAs' in file ? file.sameAs : undefined;
  const named = typeof name === 'string' && NAME.test(name);
  const sized = typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0;
  const sha256 = 'sha256' in file ? file.sha256 : undefined;
  const digested = sha256 === undefined || (typeof sha256 === 'string' && isDigest(sha256));
  return named && sized && digested && (sameAs === undefined || typeof sameAs === 'number');
}

/** Each name once, and other names only of files that come before and have one of their own. */
function isOrdered(files: CheckpointListing['files']): boolean {
  const names = new Set(files.map(({ name }) => name));
  if (names.size !== files.length) return false;
  return files.every(({ sameAs }, index) => {
    if (sameAs === undefined) return true;
    return sameAs < index && files[sameAs] !== undefined && files[sameAs].sameAs === undefined;
  });
}
