import { EMPTY_BYTES } from '../base/bytes.ts';
import { type Cursor, READY, type Status } from './cursor.ts';
import { TYPE_DELETE } from './internal-key.ts';
import { NO_VERSION } from './version.ts';

/** A cursor over nothing. */
export class EmptyCursor implements Cursor {
  readonly valid = false;
  readonly keyBytes = EMPTY_BYTES;
  readonly keyStart = 0;
  readonly keyLength = 0;
  readonly version = NO_VERSION;
  readonly type = TYPE_DELETE;
  readonly valueBytes = EMPTY_BYTES;
  readonly valueStart = 0;
  readonly valueLength = 0;

  first(): Status {
    return READY;
  }
  last(): Status {
    return READY;
  }
  seek(): Status {
    return READY;
  }
  seekBefore(): Status {
    return READY;
  }
  next(): Status {
    return READY;
  }
  prev(): Status {
    return READY;
  }
  async load(): Promise<void> {}
  loadSync(): void {}
  close(): void {}
}
