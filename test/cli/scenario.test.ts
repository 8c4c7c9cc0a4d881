/** `sluice scenario`: what it prints, when it fails, and that no text makes it crash or hang. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseScenario } from '../../src/cli/scenario/parse.ts';
import { playScenario } from '../../src/cli/scenario/play.ts';
import { rewriteScenario } from '../../src/cli/scenario/rewrite.ts';
import { ScenarioError } from '../../src/cli/scenario/syntax.ts';
import { memoryDirectory } from '../base/database.ts';
import { sluice } from './run.ts';

function file(text: string): string {
  const path = join(memoryDirectory(), 'it.txt');
  writeFileSync(path, text);
  return path;
}

test('prints every step with its result', async () => {
  const path = file(
    'put x 1 # so be it\nT1: begin\nT1: get x -> 1\n\n== files\ningest {a: 1} as file f\nlevels\n',
  );
  expect(await sluice(['scenario', path])).toEqual({
    code: 0,
    err: '',
    out: `${path}
   1  put x 1
   2  T1: begin
   3  T1: get x                                -> 1

== files
   6  ingest {a: 1} as file f                  -> committed, f at level 6
   7  levels
      | level 6: 1 table, 1 entry

as expected

`,
  });
});

test('shows what differs, with what an error said, and exits with 1', async () => {
  const path = file(
    'put x 1\nget x -> 2\nT1: begin\nT1: get x\nput x 2\nT1: put y 1\nT1: commit -> committed\nlevels\n| level 6: 1 table\n',
  );
  const { code, out } = await sluice(['scenario', path, '--quiet']);
  expect(code).toBe(1);
  expect(out).toBe(`${path}
   2  get x
    - -> 2
    + -> 1
   7  T1: commit
    - -> committed
    + !! CONFLICT on key x
      (The transaction conflicts: the key "x" of the keyspace "default" was written by the commit at version 3, after it was read. Run it again)
   8  levels
    - | level 6: 1 table
    + | memtable: 2 entries
  3 differences
`);
});

test('an error that nobody expected is a difference, an expected one that does not come as well', async () => {
  expect((await sluice(['scenario', file('drop nobody\n')])).code).toBe(1);
  expect((await sluice(['scenario', file('drop nobody !! KEYSPACE_NOT_FOUND\n')])).code).toBe(0);
  const { code, out } = await sluice(['scenario', file('put x 1 !! CONFLICT\n'), '-q']);
  expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('+ done, with nothing to tell') });
});

test('rewrites what is expected, and leaves alone what is right', async () => {
  const path = file(
    'put x 1   # kept\nget  x   -> 1\nget x y -> 2 # wrong\nlevels\n| level 0: 7\n| no\nscan # new\nT1: begin -> what\n',
  );
  expect((await sluice(['scenario', path, '--rewrite'])).code).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(
    'put x 1   # kept\nget  x   -> 1\nget x y -> 1 none  # wrong\nlevels\n| memtable: 1 entry\nscan                                    -> x=1  # new\nT1: begin\n',
  );
  expect((await sluice(['scenario', path])).code).toBe(0);
});

test('no room for its database is an error with a code', async () => {
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = join(memoryDirectory(), 'none');
  try {
    const { code, err } = await sluice(['scenario', file('put x 1\n')]);
    expect(code).toBe(3);
    expect(err).toMatch(/^error FILE_NOT_FOUND: .*none/);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
});

test.each([
  ['put x', '1:6', /expected a value; found the end of the statement/],
  ['frobnicate x', '1:1', /"frobnicate" is no statement; there are: put, del/],
  ['toString', '1:1', /"toString" is no statement/],
  ['\n  get x y -> 1\n get "a\n', '3:6', /the quoted text has no end/],
  ['get "a\\q"', '1:5', /\\q is not an escape/],
  ['get x -> 1\nget x,', '2:6', /expected a key; found ","/],
  ['begin', '1:1', /begin is a statement of a session: write T1: begin/],
  ['T1: flush', '1:1', /flush is a statement of the database, not of T1/],
  ['T1: get x', '1:1', /T1 has not begun/],
  ['T1: begin\nT1: begin', '2:1', /T1 is open already/],
  ['T1: begin\nT1: rollback to s', '2:1', /T1 has no savepoint s/],
  ['T1: begin\nT1: rollback s', '2:14', /expected "to"/],
  ['get x at S1', '1:1', /there is no snapshot S1/],
  ['snapshot S1\nsnapshot S1', '2:1', /there is a snapshot S1 already/],
  ['snapshot S1\nreopen\nget x at S1', '3:1', /there is no snapshot S1/],
  ['snapshot S1\nT1: begin\nT1: get x at S1', '3:1', /a session reads at its own snapshot/],
  ['ingest file f', '1:1', /there is no file f/],
  ['publish file f in d', '1:1', /there is no file f/],
  ['scan at version 1', '1:1', /needs "in" and a dataset/],
  ['rollback in', '1:12', /the name of a keyspace/],
  ['file f {a: 1}\nfile f {a: 1}', '2:1', /there is a file f already/],
  ['ingest {a: 1}', '1:14', /expected "as file" and a name/],
  ['ingest {a: 1, a: 2} as file f', '1:8', /each key once; a is there twice/],
  ['ingest {a 1} as file f', '1:11', /expected ":" between key and value; found "1"/],
  ['ingest {a: 1 as file f', '1:14', /expected "}" or "," after an entry; found "as"/],
  ['ingest {a: 1} as file ../f', '1:23', /expected the name of the file; found "."/],
  ['ingest {a: 1} as file f mode steal', '1:30', /the mode must be one of copy, link, move/],
  ['ingest {a: 1} as file f id a id b', '1:30', /id is given twice/],
  ['ingest {a: 1} as file f gently', '1:25', /expected mode, verify, id, ifExists/],
  ['ingest {a: 1} as file f ifExists x', '1:34', /ifExists must be one of overwrite, keep, fail/],
  ['put k00..j99 v', '1:5', /both ends alike but for their numbers/],
  ['put k9..k10 v', '1:5', /both ends alike but for their numbers/],
  ['put k99..k00 v', '1:5', /must ascend/],
  ['put k00..k99 by 0 v', '1:5', /must ascend/],
  ['put k000000..k999999 v', '1:5', /at most 100000 keys/],
  ['put k00000..k99999 v\nget x', '2:5', /at most 100000 keys/],
  ['scan [a b)', '1:9', /expected "," between the bounds; found "b"/],
  ['scan [a, b', '1:11', /expected "]" or "\)" after the bounds/],
  ['scan limit many', '1:12', /the limit must be a whole number, 1000000 at most; found "many"/],
  ['compact (a, b]', '1:9', /compact takes ranges of the form/],
  ['deleteRange', '1:12', /expected a range/],
  ['options colour=red', '1:9', /there is no option "colour"; there are: blockBytes/],
  ['options compaction=often', '1:20', /compaction must be one of auto, off/],
  ['options blockBytes', '1:19', /expected "=" and a value after "blockBytes"/],
  ['put x 1\noptions blockBytes=64', '2:1', /options must be the first statement of a scene/],
  [
    'options blockBytes=64 conflictWindowBytes=1',
    '1:23',
    /options.conflictWindowBytes must be an integer from 1024/,
  ],
  ['flush\nreopen blockBytes=1', '2:8', /options.blockBytes must be an integer from 64/],
  ['options readOnly=true', '1:9', /readOnly is for reopen/],
  [`savepoint ${'s'.repeat(65)}`, '1:11', /must be letters, digits/],
  ['| level 6', '1:1', /must follow the statement/],
  ['T1: transaction\nT1: get x', '1:1', /this transaction has no "T1: end"/],
  ['T1: transaction\n== next', '1:1', /this transaction has no "T1: end"/],
  ['T1: transaction\nT1: commit', '2:1', /it commits by itself/],
  ['T1: transaction\nreopen', '2:1', /reopen within a transaction function/],
  ['T1: transaction\nT2: transaction', '2:1', /a transaction function within another/],
  ['T1: begin\nT1: end', '2:1', /no transaction of this session to end/],
  ['every put x 1', '1:1', /"every" is for statements of others within/],
])('%j is wrong, and told with its place', async (text, place, message) => {
  const path = file(text);
  const { code, err } = await sluice(['scenario', path]);
  expect(err).toMatch(message);
  expect(err.startsWith(`error USAGE: ${path}:${place}: `), err).toBe(true);
  expect(code).toBe(2);
});

test('what is no file of text is refused', async () => {
  const dir = memoryDirectory();
  expect((await sluice(['scenario', dir])).err).toMatch(/is not a file/);
  expect((await sluice(['scenario', '/dev/zero'])).err).toMatch(/is not a file/);
  expect((await sluice(['scenario', join(dir, 'none')])).err).toMatch(/^error FILE_NOT_FOUND: .*none/);
  expect((await sluice(['scenario', file('#'.repeat((1 << 20) + 1))])).err).toMatch(
    /more than 1048576 bytes/,
  );
  expect((await sluice(['scenario', file('flush\n'.repeat(10_001))])).err).toMatch(
    /:10001:1: .*10000 statements/,
  );
});

const WORDS = [
  ...[
    'put',
    'del',
    'deleteRange',
    'get',
    'scan',
    'ingest',
    'file',
    'explain',
    'begin',
    'savepoint',
    'rollback to',
  ],
  ...[
    'commit',
    'abort',
    'transaction',
    'end',
    'options',
    'reopen',
    'snapshot',
    'close',
    'create',
    'drop',
    'flush',
  ],
  ...[
    'compact',
    'levels',
    'verify',
    'keyspaces',
    'T1: ',
    'T2: ',
    'every ',
    'x',
    'y',
    'k1..k9',
    'in',
    'at',
    'S1',
  ],
  ...[
    '{x: 1}',
    '{',
    '}',
    'as file f',
    'file f',
    'mode move',
    'id "i"',
    '[a, z)',
    '(',
    ', ',
    'prefix x',
    'reverse',
  ],
  ...[
    'limit 2',
    'readonly',
    'maxRetries 1',
    'blockBytes=64',
    'readOnly=true',
    '-> 1',
    '!! CONFLICT',
    '|',
    '==',
    '#',
  ],
  ...['"', '"\\x00"', '\\', 'default', '\u{1f600}', '\0', '..', ':'],
];
const line = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 6 }).map((w) => w.join(' ')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);
/** Lines that are mostly right, so that many texts get as far as being played. */
const sensible = fc.constantFrom(
  ...[
    'put x 1',
    'put x 2 in u',
    'get x',
    'scan reverse limit 1',
    'create u',
    'drop u',
    'deleteRange [a, z)',
    'flush',
  ],
  ...[
    'compact',
    'reopen',
    'reopen readOnly=true',
    'levels',
    'ingest {x: 1, y: deleted} as file f',
    'ingest file f',
  ],
  ...[
    'ingest file f mode move',
    'explain file f',
    'snapshot S1',
    'get x at S1',
    'close S1',
    'T1: begin',
    'T1: get x',
  ],
  ...['T1: put x 1', 'T1: ingest file f', 'T1: savepoint s', 'T1: rollback to s', 'T1: commit', 'T1: abort'],
  ...[
    'T2: transaction maxRetries 1',
    'T2: get x',
    'every put x 1',
    'T2: put y 1',
    'T2: end',
    'verify',
    'drop default',
  ],
);

test('no text crashes or hangs it: a place and a message, or a play whose rewriting is played the same', async () => {
  const parent = memoryDirectory();
  let played = 0;
  const check = async (lines: readonly string[]): Promise<void> => {
    const text = lines.join('\n');
    try {
      const scenario = parseScenario(text);
      const first = await playScenario(scenario, { parent });
      played++;
      expect(first.problems).toEqual([]);
      const rewritten = rewriteScenario(scenario, first);
      const again = parseScenario(rewritten);
      expect((await playScenario(again, { parent })).failed).toEqual([]);
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      expect(error.place.line).toBeLessThanOrEqual(Math.max(1, text.split('\n').length));
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(line, { maxLength: 6 }), check), { numRuns: 1000 });
  await fc.assert(fc.asyncProperty(fc.array(sensible, { maxLength: 8 }), check), { numRuns: 150 });
  expect(played).toBeGreaterThan(50);
}, 600_000);
