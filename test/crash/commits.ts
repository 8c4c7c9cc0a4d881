/** What each numbered commit of the crash test writes; child and parent both know. Only what runs in the child is imported. */

export type Kind = 'batch' | 'transaction' | 'ingest' | 'mixed' | 'large' | 'range';

const KINDS: readonly Kind[] = ['batch', 'transaction', 'ingest', 'mixed', 'large', 'range'];

export const KEYSPACES = ['default', 'other'] as const;
export const WORKERS = 4;

export function kindOf(n: number): Kind {
  return KINDS[n % KINDS.length] as Kind;
}

export interface Write {
  readonly keyspace: string;
  readonly key: string;
  readonly value: string;
  /** Comes in a file. */
  readonly ingested: boolean;
}

export function keyOf(n: number, i: number): string {
  return `c${String(n).padStart(8, '0')}:${i}`;
}

/** Of a commit of kind 'range': put, and deleted again with all keys of the commit before they are put. */
export const DELETED = 9;

/** All keys of a commit, in both keyspaces; the value tells the commit and fills a block or two. */
export function writesOf(n: number): Write[] {
  const kind = kindOf(n);
  const value = `${n} `.padEnd(kind === 'large' ? 20_000 : 20 + (n % 50), '.');
  const writes: Write[] = [];
  for (const keyspace of KEYSPACES) {
    for (let i = 0; i < 3; i++) {
      const ingested = kind === 'ingest' || (kind === 'mixed' && keyspace === 'other');
      writes.push({ keyspace, key: keyOf(n, i), value, ingested });
    }
  }
  return writes;
}
