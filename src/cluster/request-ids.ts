/**
 * Which requests of clients are committed, and where: back to the horizon, as the records of the log say. So it is the same on every replica, and
 * a replica that opens has it from the records that it reads for its window.
 */

import type { Version } from '../mvcc/version.ts';

export class RequestIds {
  /** Oldest first. */
  readonly #versions = new Map<string, Version>();

  /** REQUIRES: versions ascend. */
  enter(id: string, version: Version, horizon: number): void {
    this.#versions.set(id, version);
    for (const [oldest, at] of this.#versions) {
      if (at > horizon) break;
      this.#versions.delete(oldest);
    }
  }

  /** undefined: it is not committed, or before the horizon. When older ones are let go of makes no difference. */
  versionOf(id: string, horizon: number): Version | undefined {
    const version = this.#versions.get(id);
    return version === undefined || version <= horizon ? undefined : version;
  }
}
