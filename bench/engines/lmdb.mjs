/** lmdb-js: raw Buffers, values read with getBinaryFast; a commit counts when `flushed`, its earliest durable point. */

import { join } from 'node:path';
import { open } from 'lmdb';

const LOAD_BATCH = 50_000;

export async function openEngine(dir, { durable = true }) {
  const db = open({
    path: join(dir, 'data.mdb'),
    encoding: 'binary',
    keyEncoding: 'binary',
    noMemInit: true,
    ...(durable ? { separateFlushed: true } : { noSync: true }),
  });
  return {
    load(keyAt, valueAt, count) {
      for (let from = 0; from < count; from += LOAD_BATCH) {
        db.transactionSync(() => {
          for (let i = from; i < Math.min(from + LOAD_BATCH, count); i++) db.putSync(keyAt(i), valueAt(i));
        });
      }
    },
    get: (key) => db.getBinaryFast(key),
    scan(visit) {
      for (const { key, value } of db.getRange()) visit(key, value);
    },
    put: (key, value) => db.put(key, value).flushed,
    batch(operations) {
      db.transactionSync(() => {
        for (const { type, key, value } of operations) {
          if (type === 'put') db.putSync(key, value);
          else db.removeSync(key);
        }
      });
    },
    close: () => db.close(),
  };
}
