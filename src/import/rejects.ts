/** The file of rejected rows that the caller asked for, from those of lanes and runs. */

import type { File } from '../base/env/file-system.ts';
import type { Engine } from '../txn/engine.ts';
import { duplicatesOf } from './duplicates.ts';
import { rejectName } from './feeding.ts';
import type { ImportRecord } from './import-state.ts';
import { DUPLICATE, rejectedLine } from './thread/reject-file.ts';

const CHUNK_BYTES = 1 << 20;
const LINES_AT_A_TIME = 256;

/** Bad rows in the order of the sources, then duplicates. A file of a try before this one is replaced. */
export async function writeRejects(engine: Engine, record: ImportRecord): Promise<void> {
  const { row, kept, runsDir } = record;
  const { rejectFile } = kept.spec;
  if (rejectFile === undefined) return;
  const { fs } = engine.env;
  const part = `${rejectFile}.part`;
  if (fs.existsSync(part)) fs.unlinkSync(part);
  const target = await fs.open(part, 'create');
  let at = 0;
  try {
    const duplicates = fs.readdirSync(runsDir).filter((name) => name.startsWith('duplicates-'));
    const paths = [...row.lanes.keys()].map(rejectName).concat(duplicates.sort(byNumbers));
    for (const name of paths) {
      const path = `${runsDir}/${name}`;
      if (fs.existsSync(path)) at = await append(await fs.open(path, 'read'), target, at);
    }
    if (record.kept.spec.duplicates === 'skip-and-report') await addDuplicates(engine, record, target, at);
    await target.datasync();
  } finally {
    target.closeSync();
  }
  fs.renameSync(part, rejectFile);
}

/** Of rows in different runs. */
async function addDuplicates(
  engine: Engine,
  record: ImportRecord,
  target: File,
  from: number,
): Promise<void> {
  let at = from;
  const lines: string[] = [];
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(lines.splice(0).join(''));
    await target.write(bytes, 0, bytes.length, at);
    at += bytes.length;
  };
  for await (const { key, value, place } of duplicatesOf(engine, record)) {
    lines.push(rejectedLine({ ...place, offset: undefined, reason: DUPLICATE, key, value }));
    if (lines.length === LINES_AT_A_TIME) await flush();
  }
  await flush();
}

async function append(source: File, target: File, from: number): Promise<number> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let at = from;
  try {
    for (let position = 0; ; ) {
      const n = await source.read(chunk, 0, chunk.length, position);
      if (n === 0) return at;
      await target.write(chunk, 0, n, at);
      position += n;
      at += n;
    }
  } finally {
    source.closeSync();
  }
}

function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
