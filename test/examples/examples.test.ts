/** The examples run, and the README shows their code and nothing else. */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { main } from '../../src/cli/program.ts';
import { memoryDirectory, openDatabase } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { buildProgram, child } from '../cli/run.ts';

beforeAll(buildProgram, 120_000);

const readme = readFileSync('README.md', 'utf8');

function blocksOf(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, code = '']) => code,
  );
}

test.each(readdirSync('examples'))(
  'examples/%s runs',
  async (name) => {
    const { code, err } = await child(process.execPath, [`examples/${name}`]);
    expect(err).toBe('');
    expect(code).toBe(0);
  },
  300_000,
);

test('the tour of the README is examples/tour.mjs, in its order', () => {
  const tour = readFileSync('examples/tour.mjs', 'utf8');
  const places = blocksOf('js').map((block) => tour.indexOf(block));
  expect(places.length).toBeGreaterThan(8);
  expect(places).not.toContain(-1);
  expect(places).toEqual([...places].sort((a, b) => a - b));
});

test('the first lines of the README run', async () => {
  const [code = ''] = blocksOf('ts');
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  await writeSst(join(dir, 'part-0001.sst'), numbered(0, 10));
  await writeSst(join(dir, 'part-0002.sst'), numbered(10, 20));
  const here = code.replaceAll("'part-", `'${dir}/part-`);
  expect(here).not.toBe(code);
  const run = new Function('db', 'nextCursor', `return (async () => {${here}})()`);
  await run(db, () => '1');
  expect([await db.get('feed:cursor'), (await db.keys().all()).length]).toEqual(['1', 21]);
  // Without its files nothing moves.
  for (const name of ['part-0001.sst', 'part-0002.sst']) rmSync(join(dir, name));
  await expect(run(db, () => '2')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(await db.get('feed:cursor')).toBe('1');
});

test('the command lines of the README run', async () => {
  const block = blocksOf('sh').find((code) => code.includes('| sluice sst build'));
  const dir = memoryDirectory();
  writeFileSync(join(dir, 'prices.tsv'), 'PE:1\t7\nCH:2\t9\nCH:1\t8\n');
  writeFileSync(join(dir, 'orders-1.csv.gz'), gzipSync('day,id,total\n2026-11-21,10,5\n2026-11-21,9,7\n'));
  const program = resolve('dist/cli/main.js');
  const script = `set -e -o pipefail; cd '${dir}'; sluice() { '${process.execPath}' '${program}' "$@"; }\n${block}`;
  const { code, err, out } = await child('bash', ['-c', script]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/\nrows loaded +2 /);
  expect(out).toMatch(/CH:1\t8\nCH:2\t9\n$/);
});

test('files and scripts that the documents name are there', () => {
  for (const path of ['README.md', 'docs/ARCHITECTURE.md', 'docs/format.md', 'CONTRIBUTING.md']) {
    const text = readFileSync(path, 'utf8');
    const named = [...text.matchAll(/`((?:src|test|scripts|examples|docs)\/[\w./-]+)`/g)].map(
      ([, name = '']) => name,
    );
    for (const name of named) expect(existsSync(name), `${path} names ${name}`).toBe(true);
  }
});

test('sections of the architecture that code cites are there', () => {
  const architecture = readFileSync('docs/ARCHITECTURE.md', 'utf8');
  let cited = 0;
  for (const path of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts')) continue;
    const text = readFileSync(`src/${path}`, 'utf8');
    for (const [, title = ''] of text.matchAll(/docs\/ARCHITECTURE\.md[\s*]+"([^"]+)"/g)) {
      cited++;
      expect(architecture, `src/${path} cites "${title}"`).toContain(`\n## ${title}\n`);
    }
  }
  expect(cited).toBeGreaterThan(5);
});

test('the README lists the commands that --help lists', async () => {
  let help = '';
  const sink = {
    write(chunk: string | Uint8Array, done: () => void) {
      help += String(chunk);
      done();
      return true;
    },
  };
  await main(['--help'], { stdin: (async function* () {})(), stdout: sink, stderr: sink });
  const commands = [...help.matchAll(/^ {2}sluice ((?:(?:sst|dataset|cluster) )?[a-z]+) /gm)].map(
    ([, name = '']) => name,
  );
  expect(commands.length).toBeGreaterThan(18);
  const table = readme.slice(readme.indexOf('## Command line'), readme.indexOf('## Beside others'));
  // The table has the dataset commands in one row.
  for (const name of commands) expect(table).toMatch(new RegExp(`\\b${name.replace('dataset ', '')}\\b`));
});
