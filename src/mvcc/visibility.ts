import type { Coverage } from './coverage.ts';
import type { Version } from './version.ts';

/** What a reader may see of the entries that there are. */
export interface Visibility {
  /** Entries up to this version are seen. */
  readonly snapshot: Version;
  /** A transaction's own statements are those in [overlayFloor, overlayThrough], and are seen too. Default: none. */
  readonly overlayFloor?: Version | undefined;
  /** Default: all from overlayFloor. A scan sets it to what had been written when it began, so that it ends. */
  readonly overlayThrough?: Version | undefined;
  /** The range tombstones seen; default: none. It is the cursor's own. */
  readonly coverage?: Coverage | undefined;
}
