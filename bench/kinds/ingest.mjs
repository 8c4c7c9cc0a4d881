/** Attaching files: the call, its commit by itself, and that commit with small files against large ones. */

import { fresh, pathsOf, relink } from '../files.mjs';
import { inputIsRead, median } from '../meter.mjs';

export async function ingest(engine, { dir, set, repeats }) {
  inputIsRead();
  const samples = { checksums: [], blocks: [], none: [] };
  for (let n = 0; n < repeats; n++) {
    for (const verify of Object.keys(samples)) {
      const sources = relink(pathsOf(set), `${dir}-sources`);
      samples[verify].push(await engine.ingestFiles(fresh(dir), sources, verify));
    }
  }
  const of = (list, field) => median(list.map((sample) => sample[field]));
  return {
    rows: {
      checkedMs: of(samples.checksums, 'callMs'),
      entriesMs: of(samples.blocks, 'callMs'),
      uncheckedMs: of(samples.none, 'callMs'),
      commitMs: of(samples.checksums, 'commitMs'),
    },
  };
}

/** The same number of files, small and large in turns. */
export async function commitFlat(engine, { dir, small, large, repeats }) {
  inputIsRead();
  const samples = { small: [], large: [] };
  for (let n = 0; n < repeats; n++) {
    for (const [size, set] of Object.entries({ small, large })) {
      const sources = relink(pathsOf(set), `${dir}-sources`);
      const { commitMs } = await engine.ingestFiles(fresh(dir), sources, 'blocks');
      if (n > 0) samples[size].push(commitMs); // the first warms up
    }
  }
  const smallMs = median(samples.small);
  const largeMs = median(samples.large);
  return { rows: { smallMs, largeMs, factor: largeMs / smallMs } };
}

/** The same small files in the place of a small keyspace and of a large one, in turns. */
export async function replaceFlat(engine, { dir, small, large, repeats }) {
  inputIsRead();
  const samples = { small: [], large: [] };
  for (let n = 0; n < repeats; n++) {
    for (const [size, set] of Object.entries({ small, large })) {
      const held = relink(pathsOf(set), `${dir}-sources`);
      const commitMs = await engine.replaceFiles(fresh(dir), held, pathsOf(small));
      if (n > 0) samples[size].push(commitMs); // the first warms up
    }
  }
  const replaceMs = median(samples.large);
  return { rows: { replaceMs, factor: replaceMs / median(samples.small) } };
}
