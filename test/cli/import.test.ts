/** `sluice import` and `sluice tasks`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { progressText } from '../../src/cli/import.ts';
import { memoryDirectory } from '../base/database.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { buildProgram, child, PROGRAM, sluice, sluiceJson } from './run.ts';

beforeAll(buildProgram, 120_000);

const CSV = 'id,name,at\n2,"Bob, ""B""",2026-01-02\n10,Ann,2026-01-01\n1,Zoë,\n';

function directory(files: Readonly<Record<string, string | Uint8Array>> = { 'people.csv': CSV }): {
  db: string;
  path: (name: string) => string;
} {
  const dir = memoryDirectory();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return { db: join(dir, 'db'), path: (name) => join(dir, name) };
}

async function said(...argv: string[]): Promise<string> {
  const { code, out, err } = await sluice(argv);
  expect([err, code]).toEqual(['', 0]);
  return out;
}

async function wrong(...argv: string[]): Promise<[number, string]> {
  const { code, err } = await sluice(argv);
  return [code, err];
}

test('loads rows of a CSV file, and sums them up', async () => {
  const { db, path } = directory();
  const out = await said('import', db, path('people.csv'));
  expect(out).toMatch(/^rows read +3 .*\nrows loaded +3 .*\nrows with the key of another +0\nbad rows +0\n/);
  expect(out).toMatch(/\nImported at version \d+ \(id \w+\)\n$/);
  expect(await said('scan', db)).toBe(
    '1\t{"name":"Zoë","at":null}\n10\t{"name":"Ann","at":"2026-01-01"}\n2\t{"name":"Bob, \\\\"B\\\\"","at":"2026-01-02"}\n',
  );
});

test('keys, values and types by flags', async () => {
  const { db, path } = directory();
  const load = (into: string, ...flags: string[]) =>
    said('import', db, path('people.csv'), '--into', into, ...flags);
  const scan = (into: string, ...flags: string[]) => said('scan', db, '--keyspace', into, ...flags);
  await load('plain', '--key', 'name', '--value', 'id');
  expect(await scan('plain')).toBe('Ann\t10\nBob, "B"\t2\nZoë\t1\n');
  await load('ordered', '--key', 'id', '--type', 'id=int', '--value', 'name');
  expect((await scan('ordered')).split('\n').map((line) => line.split('\t')[1])).toEqual([
    'Zoë',
    'Bob, "B"',
    'Ann',
    undefined,
  ]);
  await load('template', '--key-template', 'person/{id}', '--value-json', 'name,id', '--type', 'id=int');
  expect(await scan('template', '--limit', '1')).toBe('person/1\t{"name":"Zoë","id":1}\n');
  await load('raw', '--value-raw');
  expect(await scan('raw', '--limit', '1')).toBe('1\t1,Zoë,\n');
  const text = path('text.txt');
  writeFileSync(text, "generated\na|'1|2'|x\n# none\nb|3|NIL\n");
  await said(
    'import',
    db,
    text,
    '--into',
    't',
    '--separator',
    '|',
    '--quote',
    "'",
    '--no-header',
    '--skip-lines',
    '1',
    '--comment',
    '#',
    '--value',
    '1',
  );
  expect(await scan('t')).toBe('a\t1|2\nb\t3\n');
  await said(
    'import',
    db,
    text,
    '--into',
    'named',
    '--separator',
    '|',
    '--quote',
    "'",
    '--header',
    'k,n,x',
    '--skip-lines',
    '1',
    '--comment',
    '#',
    '--null',
    'NIL',
    '--value-json',
    '*',
  );
  expect(await scan('named')).toContain('b\t{"k":"b","n":"3","x":null}\n');
});

test('every format, guessed by the ending', async () => {
  const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
  const { db, path } = directory({
    'a.tsv': 'k\tv\na\t1\n',
    'b.jsonl': '{"id":"b","n":{"x":2}}\n',
    'c.csv.gz': gzipSync('k,v\nc,3\n'),
  });
  await said('import', db, path('a.tsv'));
  await said('import', db, path('b.jsonl'), '--key', 'id', '--value', 'n.x');
  await said('import', db, path('c.csv.gz'));
  expect(await said('scan', db)).toBe('a\t1\nb\t2\nc\t3\n');
  await said('import', db, `${fixtures}sequencefile/block_compressed_zstd.sequencefile`, '--into', 'seq');
  expect(await said('scan', db, '--keyspace', 'seq')).toBe('Alice\tPractice\nBob\tHope\n');
  await said('import', db, `${fixtures}parquet/groups.parquet`, '--into', 'parquet', '--type', 'id=int');
  expect((await said('scan', db, '--keyspace', 'parquet')).split('\n')).toHaveLength(6001);
  await said('import', db, `${fixtures}rocksdb/v7.8/v_base.sst`, '--into', 'sst');
  expect((await said('scan', db, '--keyspace', 'sst')).split('\n')).toHaveLength(2001);
});

test('standard input', async () => {
  const { db } = directory({});
  const { code, err } = await sluice(['import', db, '-', '--format', 'csv'], CSV);
  expect([code, err]).toEqual([0, '']);
  expect((await said('scan', db)).split('\n')).toHaveLength(4);
  expect(await wrong('import', db, '-')).toEqual([2, expect.stringMatching(/--format must be given with -/)]);
  expect(await wrong('import', db, '-', 'a.csv')).toEqual([2, expect.stringMatching(/cannot stand beside/)]);
});

test('bad rows end the import, or are left out, told and counted', async () => {
  const { db, path } = directory({ 'bad.csv': 'k,v\na,1\nb\nc,3\nd\n' });
  expect(await wrong('import', db, path('bad.csv'))).toEqual([
    3,
    expect.stringMatching(/^error BAD_INPUT: .*bad\.csv: row 2, .*--reject FILE or --max-bad-rows/),
  ]);
  expect(await wrong('import', db, path('bad.csv'), '--max-bad-rows', '1')).toEqual([
    3,
    expect.stringMatching(/More than 1 bad rows/),
  ]);
  const out = await said(
    'import',
    db,
    path('bad.csv'),
    '--reject',
    path('rejected'),
    '--max-bad-rows',
    '60%',
  );
  expect(out).toMatch(/bad rows +2 {2}told in .*rejected\n/);
  const told = readFileSync(path('rejected'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(told).toMatchObject([
    { row: 2, raw: 'b' },
    { row: 4, raw: 'd' },
  ]);
  expect(await said('scan', db)).toBe('a\t1\nc\t3\n');
});

test('a second import of an id changes nothing; tasks lists both', async () => {
  const { db, path } = directory();
  await said('import', db, path('people.csv'), '--id', 'nightly', '--value', 'name');
  await said('put', db, '1', 'later');
  expect(await said('import', db, path('people.csv'), '--id', 'nightly', '--value', 'name')).toMatch(
    /\nNothing to do: this id was imported at version \d+ \(id nightly\)\n$/,
  );
  expect(await said('get', db, '1')).toBe('later\n');
  expect(await said('tasks', db)).toMatch(/^nightly +imported +\S+Z +3 rows +default +csv \S+people\.csv\n$/);
  expect(await sluiceJson(['tasks', db, '--readonly'])).toMatchObject([
    { id: 'nightly', state: 'imported', rowsRead: 3, result: { rowsLoaded: 3 } },
  ]);
  expect(await wrong('tasks', db, 'cancel', 'nightly')).toEqual([2, expect.stringMatching(/is done/)]);
  expect(await wrong('tasks', db, 'cancel', 'none')).toEqual([3, expect.stringMatching(/IMPORT_NOT_FOUND/)]);
});

test('versions of a dataset', async () => {
  const { db, path } = directory({ 'one.csv': 'k,v\na,1\nb,1\n', 'two.csv': 'k,v\nb,2\n' });
  expect(await said('import', db, path('one.csv'), '--dataset', 'feats', '-m', 'nightly')).toMatch(
    /\nImported as version 1 of feats, at version \d+ \(id \w+\)\n$/,
  );
  await said('import', db, path('two.csv'), '--dataset', 'feats', '--delta');
  expect(await said('scan', db, '--keyspace', 'feats')).toBe('a\t1\nb\t2\n');
  expect(await said('dataset', 'ls', db)).toMatch(/nightly\n/);
  await said('import', db, path('two.csv'), '--dataset', 'feats', '--base');
  expect(await said('scan', db, '--keyspace', 'feats')).toBe('b\t2\n');
});

test('--dry-run tells what would become of the rows, and makes nothing', async () => {
  const { db, path } = directory({
    'a.csv': 'k,v\nm,1\nc,2\nbad\n',
    'b.csv': `k,v\n${Array.from({ length: 30_000 }, (_, i) => `n${String(i).padStart(6, '0')},${'v'.repeat(40)}`).join('\n')}`,
  });
  const out = await said('import', db, path('a.csv'), '--dry-run');
  expect(out).toMatch(/^\S+a\.csv: row 3: .*\nrows +2\nbad rows +1\nkeys +"c" … "m"\nin key order +no\n/);
  expect(out).toMatch(/\ntables +about 1, .*level 6\nThe import would fail at its first bad row/);
  expect(await wrong('get', db, 'm')).toEqual([3, expect.stringMatching(/NOT_A_DATABASE/)]);
  await said('import', db, path('b.csv'));
  expect(await sluiceJson(['import', db, path('b.csv'), '--dry-run'])).toMatchObject([
    {
      dryRun: {
        rows: 30_000,
        rowsBad: 0,
        inOrder: true,
        smallest: 'n000000',
        largest: 'n029999',
        levels: { 5: 1 },
      },
    },
  ]);
  expect(
    await sluiceJson(['import', db, '-', '--format', 'csv', '--dry-run', '--into', 'new'], CSV),
  ).toMatchObject([{ dryRun: { rows: 3, smallest: '1', largest: '2', levels: { 6: 1 } } }]);
});

test.each([
  [['--key', 'a', '--key-template', '{a}'], /--key and --key-template exclude each other/],
  [['--value', 'a', '--value-raw'], /--value and --value-raw exclude each other/],
  [['--type', 'a'], /--type must be COLUMN=/],
  [['--type', 'a=number'], /--type must be COLUMN=/],
  [['--key', 'a,,b'], /--key has a column without a name/],
  [['--max-bad-rows', 'some'], /--max-bad-rows must be a count or a share/],
  [['--memory', 'lots'], /--memory must be a size/],
  [['--memory', '1M'], /options\.memoryLimitBytes must/],
  [['--header', 'a', '--no-header'], /exclude each other/],
  [['--delta'], /of a version of a --dataset/],
  [['--dataset', 'd', '--base', '--delta'], /--base and --delta exclude each other/],
  [['--dataset', 'd', '--into', 'x'], /--into and --dataset exclude each other/],
  [['--dataset', 'd', '--replace'], /are not of a --dataset/],
  [['--dry-run', '--resume', 'x'], /--dry-run and --resume exclude each other/],
  [['--resume', 'x'], /leave them out/],
  [['--format', 'xml'], /--format must be one of/],
] as [string[], RegExp][])('a wrong command line: %j', async (flags, message) => {
  const { db, path } = directory();
  await said('put', db, 'a', '1');
  expect(await wrong('import', db, path('people.csv'), ...flags)).toEqual([
    2,
    expect.stringMatching(message),
  ]);
});

test('what a terminal shows', () => {
  const reading = {
    id: 'x',
    state: 'feeding',
    phase: 'read',
    bytesRead: 500,
    bytesTotal: 1000,
    rowsRead: 12_345,
    rowsBad: 2,
    rowsDuplicate: 0,
    rowsSorted: 10_000,
    rowsWritten: 0,
    rowsLoaded: 0,
    bytesWritten: 0,
    elapsedMs: 1000,
    rowsPerSecond: 12_345,
    etaMs: 1500,
  } as const;
  expect(progressText(reading)).toBe(
    '[############------------] 50 % reading, 12,345 rows, 2 bad, 12,345/s, 2 s left',
  );
  expect(progressText({ ...reading, bytesTotal: undefined, etaMs: undefined, rowsBad: 0 })).toBe(
    '[------------------------] reading, 12,345 rows, 12,345/s',
  );
  expect(progressText({ ...reading, phase: 'merge', rowsWritten: 10_000, rowsBad: 0, etaMs: 0 })).toBe(
    '[########################] 100 % merging, 10,000 rows, 12,345/s, 0 s left',
  );
});

test('Ctrl-C pauses; the import goes on where it was, or is cancelled', async () => {
  const dir = temporaryDirectory();
  const [db, csv] = [join(dir, 'db'), join(dir, 'many.csv')];
  const rows = 400_000;
  const lines = Array.from({ length: rows }, (_, i) => `${String((i * 7919) % rows).padStart(7, '0')},${i}`);
  writeFileSync(csv, `k,v\n${lines.join('\n')}\n`);
  const interrupted = async (id: string): Promise<void> => {
    const argv = [PROGRAM, 'import', db, csv, '--id', id, '--into', id, '--json'];
    const running = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    running.stdout.on('data', (chunk: Buffer) => {
      if (out === '') running.kill('SIGINT');
      out += chunk.toString();
    });
    const [code] = (await once(running, 'close')) as [number];
    expect(code).toBe(130);
    expect(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ paused: { id } });
  };
  await interrupted('first');
  const listed = await child(process.execPath, [PROGRAM, 'tasks', db]);
  expect(listed.out).toMatch(/^first +paused /);
  const resumed = await child(process.execPath, [PROGRAM, 'import', db, '--resume', 'first']);
  expect(resumed).toMatchObject({ code: 0, err: '' });
  expect(resumed.out).toMatch(/^rows read +400,000 .*\nrows loaded +400,000 /);
  expect(await said('get', db, '0007919', '--keyspace', 'first')).toBe('1\n');
  await interrupted('second');
  expect(await said('tasks', db, 'cancel', 'second')).toBe('Cancelled second\n');
  expect(await sluiceJson(['tasks', db])).toMatchObject([
    { id: 'first' },
    { id: 'second', state: 'cancelled' },
  ]);
  expect(await wrong('import', db, '--resume', 'second')).toEqual([
    3,
    expect.stringMatching(/IMPORT_NOT_FOUND/),
  ]);
});
