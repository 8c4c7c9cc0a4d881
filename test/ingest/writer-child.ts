/** Writes argv[3] entries of 1,000 bytes to a file at argv[2] and tells in JSON how that failed: started with a `ulimit -f`. */

import { existsSync } from 'node:fs';
import { isSluiceError } from '../../src/base/errors.ts';
import { SstWriter } from '../../src/index.ts';

const [path = '', count = ''] = process.argv.slice(2);
const writer = new SstWriter(path, { compression: 'none' });
const value = Buffer.alloc(1000, 'v');
const codeOf = (error: unknown): unknown => (isSluiceError(error) ? error.code : String(error));
const codes: unknown[] = [];
let put = 0;
try {
  for (; put < Number(count); put++) writer.put(String(put).padStart(9, '0'), value);
} catch (error) {
  codes.push(codeOf(error));
}
for (const next of ['a', 'b']) {
  try {
    // As much as is handed over at a time, at least.
    for (let i = 0; i < 300; i++) writer.put(`${next}${String(i).padStart(3, '0')}`, value);
  } catch (error) {
    codes.push(codeOf(error));
  }
}
try {
  await writer.finish();
} catch (error) {
  codes.push(codeOf(error));
}
process.stdout.write(JSON.stringify({ put, codes, exists: existsSync(path) }));
