/**
 * Lets threads and child processes of a test import our TypeScript, which Node 20 does not do itself. Every thread
 * registers for itself; the thread in which Node runs the hooks loads this module too, and must not. There are thousands
 * of them in a run, so what a file became is kept by its contents, and the compiler is loaded for new ones only.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';

if (!import.meta.url.endsWith('?hooks')) register(`${import.meta.url}?hooks`);

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/typescript-hooks/', import.meta.url));
const COMPILER = createRequire(import.meta.url)('rolldown/package.json').version;
const OPTIONS = { target: 'es2022' };
/** What `using` becomes imports this, which need not be installed. */
const USING = '@oxc-project/runtime/helpers/usingCtx';
const OURS = new URL('./using-context.mjs', import.meta.url).href;

export function resolve(specifier, context, next) {
  return next(specifier === USING ? OURS : specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const path = fileURLToPath(url);
  const source = readFileSync(path, 'utf8');
  const hash = createHash('sha1').update(`${COMPILER} ${OPTIONS.target}\n`).update(source).digest('hex');
  return {
    format: 'module',
    source: known(hash) ?? (await compiled(path, source, hash)),
    shortCircuit: true,
  };
}

function known(hash) {
  try {
    return readFileSync(`${CACHE}${hash}.js`, 'utf8');
  } catch {
    return undefined;
  }
}

async function compiled(path, source, hash) {
  const { transformSync } = await import('rolldown/utils');
  const { code, errors } = transformSync(path, source, OPTIONS);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  mkdirSync(CACHE, { recursive: true });
  // Whole or not at all: others may look for it at the same time.
  const partial = `${CACHE}${hash}.${process.pid}-${threadId}`;
  writeFileSync(partial, code);
  renameSync(partial, `${CACHE}${hash}.js`);
  return code;
}
