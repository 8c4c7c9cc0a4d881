/**
 * `node scripts/complete-lock.mjs` adds to package-lock.json the optional packages of other platforms that it lacks.
 *
 * npm leaves out what the registry of the machine at hand does not carry, and then `npm ci` refuses the lock file on
 * every machine. Rows added here have no integrity, as there is nothing to take it from.
 */

import { readFileSync, writeFileSync } from 'node:fs';

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openbsd', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];

/** "@biomejs/cli-linux-x64-musl" → { os: ['linux'], cpu: ['x64'], libc: ['musl'] } */
function platformOf(name) {
  const words = name.split('-');
  const os = SYSTEMS.filter((word) => words.includes(word));
  const cpu = PROCESSORS.filter((word) => words.includes(word));
  if (os.length !== 1 || cpu.length !== 1)
    throw new Error(`${name}: its platform is not plain from its name`);
  return { os, cpu, libc: words.includes('musl') ? ['musl'] : undefined };
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const added = [];
for (const [parent, row] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(row.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path] ?? lock.packages[`${parent}/${path}`]) continue;
    const { os, cpu, libc } = platformOf(name);
    const version = range.replace(/^[~^]/, '');
    lock.packages[path] = { version, cpu, dev: row.dev, libc, optional: true, os }; // in npm's order
    added.push(name);
  }
}
if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.join(', ')}`);
