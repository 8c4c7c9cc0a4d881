/** The imports of one open database. */

import type { EncodingName } from '../base/encoding.ts';
import { SluiceError } from '../base/errors.ts';
import type { Db } from '../db.ts';
import type { Importer, ImportTask, ImportTaskInfo } from '../import-options.ts';
import type { Engine } from '../txn/engine.ts';

export class Imports implements Importer {
  readonly #db: Db<EncodingName, EncodingName>;
  readonly #engine: () => Engine;

  constructor(db: Db<EncodingName, EncodingName>, engine: () => Engine) {
    this.#db = db;
    this.#engine = engine;
  }

  start(): ImportTask {
    this.#engine().checkWritable();
    throw new SluiceError('UNSUPPORTED_FORMAT', `${this.#db.path}: imports are not there yet`);
  }

  resume(id: string): ImportTask {
    this.#engine().checkWritable();
    throw new SluiceError('IMPORT_NOT_FOUND', `There is no import ${id}; db.tasks() lists them`);
  }

  tasks(): ImportTaskInfo[] {
    return [];
  }

  async close(): Promise<void> {}
}
