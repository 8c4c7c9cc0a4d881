// Compiles src/sst/kernels/assembly to WebAssembly and writes it, as base64, to src/sst/kernels/wasm-bytes.ts.
// `npm run kernels`; a test asserts that the committed file is what this gives.

import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const output = join(root, 'src/sst/kernels/wasm-bytes.ts');
const LINE_CHARACTERS = 104;

/** The text of wasm-bytes.ts. */
export async function buildKernels() {
  let wasm;
  const { error, stderr } = await asc.main(
    [
      'src/sst/kernels/assembly/index.ts',
      ...['--outFile', 'kernels.wasm', '--baseDir', root],
      ...['--runtime', 'stub', '-O3', '--noAssert', '--enable', 'simd'],
      ...['--importMemory', '--initialMemory', '4', '--use', 'abort='],
    ],
    {
      readFile: (name, base) => readFile(resolve(base, name), 'utf8').catch(() => null),
      writeFile: (name, contents) => {
        if (name.endsWith('.wasm')) wasm = contents;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || wasm === undefined) throw new Error(`The kernels do not compile:\n${stderr}`);
  const base64 = Buffer.from(wasm).toString('base64');
  const lines = base64.match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'g'));
  return [
    '/** The compiled kernels: made by scripts/build-kernels.mjs from assembly/, do not edit. */',
    '',
    'export const WASM_BASE64 = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('');",
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await buildKernels();
  await writeFile(output, text);
  console.log(`kernels: ${Math.round((text.length * 3) / 4)} bytes`);
}
