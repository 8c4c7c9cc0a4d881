/** `npm run build && node bench/micro/table-build.mjs [entries]`: SstWriter by compression and filter. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KEY_BYTES, readKeys, readValues, VALUE_BYTES, writeData } from '../data.mjs';
import { buildTable } from '../engines/sluice.mjs';
import { measure } from './measure.mjs';

const count = Number(process.argv[2] ?? 500_000);
const dir = mkdtempSync(join(tmpdir(), 'sluice-micro-'));
try {
  writeData(dir, count);
  const keys = readKeys(dir);
  const values = readValues(dir);
  const keyAt = (i) => keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
  const valueAt = (i) => values.subarray(i * VALUE_BYTES, (i + 1) * VALUE_BYTES);
  const file = join(dir, 'built.sst');
  for (const compression of ['none', 'lz4', 'snappy', 'zstd']) {
    for (const filterBitsPerKey of [0, 10]) {
      await measure(`${compression}, filter ${filterBitsPerKey} bits`, count, async () => {
        rmSync(file, { force: true });
        await buildTable(file, keyAt, valueAt, 0, count, { compression, filterBitsPerKey });
      });
    }
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
