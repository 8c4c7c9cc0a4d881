/** Files read under another prefix, against the same files as they are, in turns. */

import { generator, keyOf } from '../data.mjs';
import { fresh, pathsOf } from '../files.mjs';
import { inputIsRead, median } from '../meter.mjs';

const PASSES = 5;
const COMMITS = 6;
const PREFIX = 'under/another/';

/** `set`: files apart; `four`: files that interleave. */
export async function prefix(engine, { dir, set, four, reads, repeats }) {
  inputIsRead();
  const samples = { commit: [[], []], get: [[], []], scan: [[], []], compact: [[], []] };
  const timed = async (what, place, act) => {
    const started = performance.now();
    await act();
    samples[what][place].push(performance.now() - started);
  };
  for (let n = 0; n < repeats; n++) {
    const db = await engine.openTransactional(fresh(dir), { compaction: 'off', blockCacheBytes: 768 << 20 });
    const ingest = async (into, files, place) => {
      const txn = db.begin();
      const options = { into, mode: 'link', verify: 'none', ...(place === 1 && { prefix: PREFIX }) };
      await txn.ingest(pathsOf(files), options);
      return txn;
    };
    for (let turn = 0; turn <= COMMITS; turn++) {
      for (const place of turn % 2 === 0 ? [0, 1] : [1, 0]) {
        const txn = await ingest(`${turn}-${place}`, set, place);
        if (turn === 0)
          await txn.commit(); // the first warms up
        else await timed('commit', place, () => txn.commit());
      }
    }
    const keyspaces = [0, 1].map((place) => db.keyspace(`0-${place}`));
    for (let pass = 0; pass < PASSES; pass++) {
      for (const [place, keyspace] of keyspaces.entries()) {
        const before = place === 1 ? PREFIX : '';
        await timed('scan', place, () => scanAll(keyspace, set));
        await timed('get', place, () => getRandom(keyspace, set, before, reads));
      }
    }
    for (const place of [0, 1]) {
      const name = `four-${place}`;
      const txn = await ingest(db.keyspace(name), four, place);
      await txn.commit();
      await timed('compact', place, () => db.compactRange({ keyspace: name }));
    }
    await db.close();
  }
  const factor = ([plain, under]) => median(under) / median(plain);
  const factors = Object.entries(samples).map(([what, both]) => [`${what}Factor`, factor(both)]);
  return { rows: Object.fromEntries(factors) };
}

async function scanAll(keyspace, { files, entries }) {
  let seen = 0;
  for await (const { count } of keyspace.cursor()) seen += count;
  if (seen !== files * entries) throw new Error(`scanned ${seen}`);
}

function getRandom(keyspace, { files, entries, keyStep }, before, reads) {
  const random = generator(5);
  const start = Buffer.from(before);
  for (let n = 0; n < reads; n++) {
    const key = Buffer.concat([start, keyOf((random() % (files * entries)) * keyStep)]);
    if (keyspace.getSync(key) === undefined) throw new Error('a read missed');
  }
}
