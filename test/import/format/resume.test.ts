/** An import goes on at any row: of each text format, plain and compressed, from files and with other borders of chunks. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import type { FormatSpec } from '../../../src/import/format/format-spec.ts';
import { makeReader } from '../../../src/import/format/make-reader.ts';
import { makeSource } from '../../../src/import/source/make-source.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';
import { readRows } from './chunks.ts';

const CSV =
  '\ufeffskipped\r\n# c\r\nid,name,n\r\n1,"a ""b""\r\nc",5\r\n\r\n2,,6\r\n3,x\r\n# c\r\n4,é,"7"\n5,"open\n6,y,8';
const FORMATS: [FormatSpec, string][] = [
  [
    {
      format: 'csv',
      skipLines: 1,
      comment: '#',
      key: ['id', 'n'],
      types: { n: 'int' },
      value: { as: 'raw' },
    },
    CSV,
  ],
  [{ format: 'csv', header: false, key: { template: '{0}' }, value: { as: 'json' } }, '1,2\r3,4\r\r5\r6,7\r'],
  [{ format: 'csv', header: ['k', 'v'], rowBytesMax: 8 }, '1,2\n3,longer than that\n"4","5"\n'],
  [{ format: 'tsv', key: 'k' }, 'k\tv\na\t1\nb\nc\t2\n'],
  [{ format: 'text', separator: '::', nullText: '-' }, 'a::1\nb::2::3\n-::4\nc\nd::5'],
  [
    { format: 'jsonl', key: 'k', value: 'v' },
    '\ufeff{"k":1,"v":[1]}\r\n\n{"k":2}\n{"k":\n  {"k":"3","v":"\\n"}\n{"k":4,"v":null}',
  ],
];

function fileOf(content: string, compressed: boolean) {
  const path = join(temporaryDirectory(), 'rows');
  writeFileSync(path, compressed ? gzipSync(content) : content);
  return () => makeSource({ kind: 'file', path, compression: 'auto' }, nodeEnv);
}

describe.each([false, true])('compressed: %s', (compressed) => {
  for (const [spec, content] of FORMATS) {
    test(JSON.stringify(spec), async () => {
      const open = fileOf(content, compressed);
      const reader = await makeReader(spec);
      const all = await readRows(reader, open());
      expect(all.length).toBeGreaterThan(2);
      expect(all.map(({ position }) => position.row)).toEqual(all.map((_, i) => i));
      for (const [i, { position }] of all.entries()) {
        // As it comes back from the manifest, by a reader that has seen nothing of the source.
        const kept = JSON.parse(JSON.stringify(position));
        const rest = await makeReader(spec);
        expect(await readRows(rest, open(), kept)).toEqual(all.slice(i));
        expect(rest.position()).toEqual(reader.position());
      }
      const end = await makeReader(spec);
      expect(await readRows(end, open(), reader.position())).toEqual([]);
      expect(end.position()).toEqual(reader.position());
      // One reader may read again.
      expect(await readRows(reader, open())).toEqual(all);
    });
  }
});
