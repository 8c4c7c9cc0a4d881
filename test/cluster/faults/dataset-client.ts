/**
 * Clients of a dataset: bases and deltas are published, versions made live again, and between that its keyspace is written to, while
 * others read it.
 *
 * In the history the version that is live is a register: all rows of a version have the same number, its own, so a read that finds several
 * has seen a swap half done. What is written to the keyspace besides are registers that each swap but that of a delta deletes.
 */

import { join } from 'node:path';
import type { ClusterDb } from '../../../src/cluster/cluster-db.ts';
import type { Transaction } from '../../../src/index.ts';
import type { SeededRandom } from '../../base/seeded-random.ts';
import { writeSst } from '../../base/sst-files.ts';
import type { Found, Operation } from '../../history/history.ts';
import type { RecordedReader, RecordedWriter, Recorder } from '../../history/recorder.ts';
import type { Names } from '../../history/workload.ts';

type TextCluster = ClusterDb<'utf8', 'utf8'>;
/** Of an iterator. */
interface Entries {
  all(): Promise<[string, string][]>;
}

/** The register of what is live, and the range of registers of what is written besides. */
const LIVE = 'x';
const BESIDES = { lower: 'y', upper: 'z' } as const;
const ROWS = Array.from({ length: 40 }, (_, n) => `v${String(n).padStart(2, '0')}`);
const KEYS = Array.from({ length: 6 }, (_, n) => `y${n}`);
/** Of a publication, which is marked by what it publishes. */
export const PUBLISHED = 'published ';

export const datasetOf = (epoch: number): string => `d${epoch}`;

export class DatasetClient {
  readonly #random: SeededRandom;
  readonly #names: Names;
  readonly #recorder: Recorder;
  readonly #dir: string;
  readonly #name: string;
  #files = 0;

  /** `dir`: its own. */
  constructor(random: SeededRandom, names: Names, recorder: Recorder, dir: string, epoch: number) {
    this.#random = random;
    this.#names = names;
    this.#recorder = recorder;
    this.#dir = dir;
    this.#name = datasetOf(epoch);
  }

  /** One transaction of any kind. */
  async once(db: TextCluster): Promise<void> {
    const kind = this.#random.below(100);
    // A node that is behind may not know yet what a delta could go on.
    if (kind < 12) await this.publish(db, this.#random.chance(0.5) || !this.#isThere(db) ? 'base' : 'delta');
    else if (kind < 35) await this.#recorder.transaction(db, (txn) => this.#activate(db, txn));
    else if (kind < 75) await this.#recorder.transaction(db, (txn) => this.#write(txn));
    else await this.#recorder.snapshot(db, (reader) => this.read(db, reader));
  }

  #isThere(db: TextCluster): boolean {
    return db.dataset(this.#name).current !== undefined;
  }

  async publish(db: TextCluster, kind: 'base' | 'delta'): Promise<void> {
    const number = this.#names.nextNumber();
    const live: Operation = { op: 'write', key: LIVE, value: number, by: 'ingest' };
    const publish = async (): Promise<number> => {
      const path = join(this.#dir, `${this.#files++}.version.sst`);
      await writeSst(
        path,
        ROWS.map((row) => [row, String(number)]),
      );
      const options = { kind, message: String(number), mode: 'move' } as const;
      return (await db.dataset(this.#name).publish(path, options)).commit;
    };
    const operations: Operation[] = kind === 'base' ? [{ op: 'deleteRange', ...BESIDES }, live] : [live];
    await this.#recorder.blind(operations, publish, `${PUBLISHED}${number}`);
  }

  /** At the reader's snapshot. */
  async read(db: TextCluster, reader: RecordedReader): Promise<void> {
    const { snapshot } = reader;
    if (snapshot === undefined) throw new Error('a transaction reads by itself');
    await read(reader, db.keyspace(this.#name, { snapshot }).iterator({ snapshot }));
  }

  async #activate(db: TextCluster, txn: RecordedWriter): Promise<boolean> {
    const random = this.#random;
    if (random.chance(0.4)) await this.#readIn(txn);
    const versions = db
      .dataset(this.#name)
      .versions()
      .filter(({ commit }) => commit <= txn.txn.version);
    if (versions.length < 2) return false;
    const dataset = txn.txn.dataset(this.#name);
    let id = random.pick(versions).version;
    if (random.chance(0.7)) dataset.activate(id);
    else {
      // The one before the live one, if there is one.
      const before = db.dataset(this.#name).current;
      if (before === undefined || before === versions[0]?.version) return false;
      id = dataset.rollback();
    }
    const shows = Number(versions.find(({ version }) => version === id)?.message);
    txn.wrote = true;
    txn.operations.push({ op: 'deleteRange', ...BESIDES });
    txn.operations.push({ op: 'write', key: LIVE, value: this.#names.nextNumber(), by: 'activation', shows });
    if (random.chance(0.3)) this.#put(txn);
    if (random.chance(0.3)) await this.#readIn(txn);
    return true;
  }

  /** Besides the versions, and together with what is in another keyspace. */
  async #write(txn: RecordedWriter): Promise<boolean> {
    const random = this.#random;
    if (random.chance(0.7)) await this.#readIn(txn);
    if (random.chance(0.6)) this.#put(txn);
    if (random.chance(0.4))
      await txn.append(this.#names.listToAppend(this.#random), this.#names.nextNumber());
    return true;
  }

  #put(txn: RecordedWriter): void {
    const key = this.#random.pick(KEYS);
    const value = this.#random.chance(0.2) ? undefined : this.#names.nextNumber();
    const keyspace = this.#keyspaceOf(txn.txn);
    if (value === undefined) keyspace.del(key);
    else keyspace.put(key, String(value));
    txn.wrote = true;
    txn.operations.push({ op: 'write', key, value, by: 'put' });
  }

  async #readIn(txn: RecordedWriter): Promise<void> {
    await read(txn, this.#keyspaceOf(txn.txn).iterator());
  }

  #keyspaceOf(txn: Transaction<'utf8', 'utf8'>) {
    return txn.keyspace(this.#name);
  }
}

async function read(reader: RecordedReader, entries: Entries): Promise<void> {
  const numbers = new Map<string, number>();
  for (const [key, value] of await entries.all()) numbers.set(key, Number(value));
  const live = new Set(ROWS.map((row) => numbers.get(row)));
  const [number] = live;
  if (live.size > 1) throw new Error(`a read of the dataset found parts of versions ${[...live].join(', ')}`);
  const found = KEYS.flatMap((key): Found[] => {
    const value = numbers.get(key);
    return value === undefined ? [] : [[key, value]];
  });
  reader.operations.push({ op: 'get', key: LIVE, value: number }, { op: 'scan', ...BESIDES, found });
}
