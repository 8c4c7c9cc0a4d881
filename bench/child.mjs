/**
 * One measurement in a fresh process: `node child.mjs '{"engine", "kind", …}'`, see cases.mjs.
 *
 * Prints one line of JSON: { rows: { row: value }, facts?, memoryBytes, writtenBytes }. Memory is the peak above what
 * the process held once its input was read. `rows` may be missing, with `notYet` saying why.
 */

import * as cluster from './kinds/cluster.mjs';
import * as datasets from './kinds/datasets.mjs';
import * as imports from './kinds/imports.mjs';
import * as ingest from './kinds/ingest.mjs';
import * as latency from './kinds/latency.mjs';
import * as prefixes from './kinds/prefix.mjs';
import * as reads from './kinds/reads.mjs';
import * as tables from './kinds/tables.mjs';
import * as tree from './kinds/tree.mjs';
import * as writes from './kinds/writes.mjs';
import { hurry, memoryBytes, writtenBytes } from './meter.mjs';

const kinds = {
  ...tables,
  ...reads,
  ...writes,
  ...tree,
  ...ingest,
  ...latency,
  ...datasets,
  ...prefixes,
  ...imports,
  ...cluster,
};

const task = JSON.parse(process.argv[2]);
if (task.hurry) hurry();
const engine = await import(`./engines/${task.engine}.mjs`);
const result = await kinds[task.kind](engine, task);
console.log(JSON.stringify({ ...result, memoryBytes: memoryBytes(), writtenBytes: writtenBytes() }));
