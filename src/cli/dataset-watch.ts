import { setTimeout as sleep } from 'node:timers/promises';
import { open } from '../db.ts';
import type { WatchedDataset } from '../txn/dataset/watch.ts';
import { type Command, EXIT_NOT_FOUND, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { type Io, Output } from './io.ts';

const POLL_MS = 1000;

/** `sluice dataset watch` */
export const datasetWatch: Command = {
  name: 'dataset watch',
  usage: 'DB DIR',
  about: 'Keep datasets at what DIR/<dataset>/METADATA.json says, until Ctrl-C',
  flags: {
    once: { type: 'boolean', about: 'look once; exit code 1 unless all that is named is live then' },
    poll: { type: 'string', value: 'MS', about: 'between two looks; 1000 when absent' },
    keep: { type: 'string', value: 'N', about: 'drop all but the newest N versions of each dataset' },
    mode: { type: 'string', value: 'copy|link', about: 'how the files get there; copy when absent' },
    json: JSON_FLAG,
  },
  positionals: [2, 2],
  more: `METADATA.json: { "version": 12, "base": ["b.sst"], "deltas": [{ "version": 12, "files": ["d.sst"] }],
"digests": { "b.sst": "SHA-256 in hex" } }. What is missing is loaded beside what is live, and becomes live in one commit once all
of it is there and right. A version that is kept needs no files: that is how to go back. Prints a line for each change.`,

  async run(args, io) {
    const dir = args.at(1, 'DIR');
    const [pollMs = POLL_MS, keepVersions] = [args.count('poll'), args.count('keep')];
    if (pollMs < 1) throw new UsageError('--poll must be at least 1');
    const mode = args.choice('mode', ['copy', 'link']);
    const told: WatchedDataset[] = [];
    const db = await open(args.at(0, 'DB'));
    try {
      const watch = db.watchDatasets(dir, {
        pollMs,
        onChange: (status) => told.push(status),
        ...(keepVersions !== undefined && { keepVersions }),
        ...(mode !== undefined && { mode }),
      });
      do {
        await watch.check();
        await tell(told.splice(0), args.flag('json'), io);
      } while (!args.flag('once') && (await passed(pollMs, io.signal)));
      const right = watch.status().every(({ state }) => state === 'live');
      return right || !args.flag('once') ? EXIT_OK : EXIT_NOT_FOUND;
    } finally {
      await db.close();
    }
  },
};

/** False when Ctrl-C came first. */
async function passed(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
    return true;
  } catch (error) {
    if (signal?.aborted === true) return false;
    throw error;
  }
}

async function tell(changes: readonly WatchedDataset[], json: boolean, io: Io): Promise<void> {
  const out = new Output(io.stdout);
  for (const change of changes) {
    const { name, state, version, problem } = change;
    const what = version === undefined ? '' : ` version ${version}`;
    out.line(
      json
        ? JSON.stringify(change)
        : `${name}:${what} ${state}${problem === undefined ? '' : `, ${problem}`}`,
    );
  }
  await out.flush();
}
