/**
 * What of staged files an ingest attaches: all of them, or only keys that are not there ('keep') or never were ('behind'),
 * or nothing unless none of them is ('fail').
 *
 * L5: the files' keys are read, each file as one read, and stay read whatever becomes of the statement; so the answer is
 * true at the commit's version, or the commit conflicts.
 */

import { formatKey } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { IfExists } from './ingest-options.ts';
import type { Overlay } from './overlay.ts';
import { Presence } from './presence.ts';
import { keyAfter, keyString } from './read-set.ts';
import type { TransactionCore } from './transaction.ts';

/** A file as it was given, and what is attached of it. */
export interface SourceFile {
  readonly file: StagedFile;
  /** The file itself, or a table of a part of it; undefined: nothing. */
  readonly attached: StagedFile | undefined;
}

/** Keys that an error about keys lists. */
export const KEYS_LISTED = 20;

export interface PolicyOptions {
  readonly policy: IfExists | 'behind';
  readonly keyspace: string;
  /** The statements before the ingest. */
  readonly own: Overlay;
  readonly signal: AbortSignal | undefined;
}

/**
 * L2: what is built is durable, bytes and names, when it resolves.
 * @throws SluiceError KEY_EXISTS with `ifExists: 'fail'`; UNSUPPORTED_FORMAT for range deletions, ABORTED by the signal.
 */
export async function applyPolicy(
  core: TransactionCore,
  staged: readonly StagedFile[],
  options: PolicyOptions,
): Promise<SourceFile[]> {
  const { policy, keyspace, own } = options;
  if (policy === 'overwrite') return staged.map((file) => ({ file, attached: file }));
  const presences = staged.map((file) => {
    refuseRangeDeletions(file, policy);
    core.reads?.files.push({
      keyspace,
      table: file.table,
      range: {
        lower: keyString(file.smallest, 0, file.smallest.length),
        upper: keyAfter(keyString(file.largest, 0, file.largest.length)),
      },
      own,
    });
    return { file, presence: new Presence(file, { ...options, core, deletedToo: policy === 'behind' }) };
  });
  if (policy === 'fail') {
    await failOnExisting(presences);
    return staged.map((file) => ({ file, attached: file }));
  }
  return keepExisting(core, presences);
}

interface StagedPresence {
  readonly file: StagedFile;
  readonly presence: Presence;
}

async function failOnExisting(presences: readonly StagedPresence[]): Promise<void> {
  const keys: Buffer[] = [];
  let count = 0;
  for (const { presence } of presences) {
    await presence.each((key) => {
      if (count++ < KEYS_LISTED) keys.push(Buffer.from(key));
    });
  }
  if (count === 0) return;
  const listed = keys.map(formatKey).join(', ');
  const more = count > keys.length ? ` and ${count - keys.length} more` : '';
  throw new SluiceError(
    'KEY_EXISTS',
    `${count} of the keys to be ingested exist, and ifExists is 'fail': ${listed}${more}. Delete them, or choose 'keep' or 'overwrite'`,
    { keys, keyCount: count },
  );
}

/** A file of which some keys exist is written anew without them; the others are attached as they are. */
async function keepExisting(
  core: TransactionCore,
  presences: readonly StagedPresence[],
): Promise<SourceFile[]> {
  const { engine } = core;
  const sources: SourceFile[] = [];
  const built: StagedFile[] = [];
  try {
    for (const { file, presence } of presences) {
      if (!(await presence.any())) {
        sources.push({ file, attached: file });
        continue;
      }
      const attached = await presence.buildAbsent(engine.newFileId());
      if (attached !== undefined) built.push(attached);
      sources.push({ file, attached });
    }
    if (built.length > 0) await engine.env.fs.syncDirectory(engine.settings.tablesDir);
    return sources;
  } catch (error) {
    engine.staging.discard(built);
    throw error;
  }
}

/** One would delete keys that exist, which the policy says it does not; and what it deletes of its own file is nothing. */
function refuseRangeDeletions({ source, deletedSpans }: StagedFile, policy: string): void {
  if (deletedSpans.length === 0) return;
  const what = `has range deletions, which the policy '${policy}' cannot take`;
  throw new SluiceError('UNSUPPORTED_FORMAT', `${source} ${what}; use 'overwrite', or deleteRange beside it`);
}
