/** `db.compactRange()`: compaction by hand. */

import { type EncodingName, encode, type Input } from '../base/encoding.ts';
import { throwIfAborted } from '../base/errors.ts';
import { checkKeyspaceName } from './catalog.ts';
import type { Engine } from './engine.ts';

export interface CompactRange<KE extends EncodingName = EncodingName> {
  /** From this key on; default: from the first. */
  readonly gte?: Input<KE> | undefined;
  /** Up to, and without, this key; default: to the last. */
  readonly lt?: Input<KE> | undefined;
  /** Default: all keyspaces. */
  readonly keyspace?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function compactRange<KE extends EncodingName>(
  engine: Engine,
  keyEncoding: KE,
  options: CompactRange<KE>,
): Promise<void> {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  const { gte, lt, keyspace, signal } = options;
  if (keyspace !== undefined) checkKeyspaceName(keyspace, 'options.keyspace');
  // Ends that are not quite in the range do no harm: more is compacted.
  const smallest = gte === undefined ? undefined : encode(keyEncoding, gte, 'options.gte');
  const largest = lt === undefined ? undefined : encode(keyEncoding, lt, 'options.lt');
  engine.checkWritable();
  throwIfAborted(signal);
  const { catalog } = engine;
  const trees = keyspace === undefined ? catalog.trees() : [catalog.requireNewest(keyspace)];
  const chosen = [...trees].filter((tree) => !catalog.isPublished(tree.id));
  await engine.flusher.flushAll();
  for (const tree of chosen) await engine.compactor.compactRange(tree, smallest, largest, { signal });
}
