import { nodeEnv } from '../base/env/node-env.ts';
import { open } from '../db.ts';
import type { WatchedDataset } from '../txn/dataset/watch.ts';
import { type Command, EXIT_NOT_FOUND, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { type Io, Output } from './io.ts';
import { checkedText, ProgressLine } from './progress-line.ts';

/** The longest that a timer takes. */
const FOR_EVER_MS = 2 ** 31 - 1;

/** `sluice dataset watch` */
export const datasetWatch: Command = {
  name: 'dataset watch',
  usage: 'DB DIR',
  about: 'Keep datasets at what DIR/<dataset>/METADATA.json says, until Ctrl-C',
  flags: {
    once: { type: 'boolean', about: 'look once; exit code 1 unless all that is named is live then' },
    poll: {
      type: 'string',
      value: 'MS',
      about: 'between two looks where the file system tells nothing; 1000',
    },
    keep: { type: 'string', value: 'N', about: 'drop all but the newest N versions of each dataset' },
    mode: { type: 'string', value: 'copy|link', about: 'how the files get there; copy when absent' },
    json: JSON_FLAG,
  },
  positionals: [2, 2],
  more: `METADATA.json: { "version": 12, "base": ["b.sst"], "deltas": [{ "version": 12, "files": ["d.sst"] }],
"digests": { "b.sst": "SHA-256 in hex" }, "prefix": "eu:" }. What is missing is loaded beside what is live, and becomes live in one commit once all
of it is there and right. A version that is kept needs no files: that is how to go back. Prints a line for each change.`,

  async run(args, io) {
    const dir = args.at(1, 'DIR');
    const [pollMs, keepVersions] = [args.count('poll'), args.count('keep')];
    if (pollMs !== undefined && pollMs < 1) throw new UsageError('--poll must be at least 1');
    const mode = args.choice('mode', ['copy', 'link']);
    // The library waits for it to come; here it is a slip of the pen.
    if (!nodeEnv.fs.statSync(dir).isDirectory) throw new UsageError(`${dir} is not a directory`);
    const told: WatchedDataset[] = [];
    let wake = (): void => undefined;
    const progress = new ProgressLine(io);
    const db = await open(args.at(0, 'DB'));
    try {
      const watch = db.watchDatasets(dir, {
        ...(pollMs !== undefined && { pollMs }),
        onProgress: ({ bytesDone, bytesTotal }) => progress.show(checkedText(bytesDone, bytesTotal)),
        onChange: (status) => {
          progress.end();
          told.push(status);
          wake();
        },
        ...(keepVersions !== undefined && { keepVersions }),
        ...(mode !== undefined && { mode }),
      });
      await watch.check();
      await tell(told.splice(0), args.flag('json'), io);
      if (args.flag('once')) return watch.status().every(isLive) ? EXIT_OK : EXIT_NOT_FOUND;
      while (io.signal?.aborted !== true) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        // What came while the last was told.
        if (told.length === 0) await untilEither(woken, io.signal);
        await tell(told.splice(0), args.flag('json'), io);
      }
      return EXIT_OK;
    } finally {
      await db.close();
    }
  },
};

function isLive({ state }: WatchedDataset): boolean {
  return state === 'live';
}

/** Or until Ctrl-C. A watch does not keep the process alive; this does. */
async function untilEither(woken: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const alive = setInterval(() => undefined, FOR_EVER_MS);
  const stopped = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([woken, stopped]);
  clearInterval(alive);
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
