/** Requests that clients of a database alone have named: known while its process lives. */

import { SluiceError } from '../../base/errors.ts';

const KEPT_MAX = 65_536;

export class NamedRequests {
  /** Oldest first. Undefined: under way. */
  readonly #requests = new Map<string, { readonly done: Promise<number>; version: number | undefined }>();

  versionOf(id: string): number | undefined {
    return this.#requests.get(id)?.version;
  }

  /** @throws SluiceError OUTCOME_UNKNOWN of one that was sent before, and is not known: to a process before this one, it may be; what `commit` throws */
  async once(id: string, again: boolean, commit: () => Promise<number>): Promise<number> {
    const known = this.#requests.get(id);
    if (known !== undefined) return known.done;
    if (again) {
      const message = `This node does not know whether the request ${id} was committed before: read what it would have written`;
      throw new SluiceError('OUTCOME_UNKNOWN', message);
    }
    const done = commit();
    const request: { readonly done: Promise<number>; version: number | undefined } = {
      done,
      version: undefined,
    };
    this.#requests.set(id, request);
    try {
      request.version = await done;
    } catch (error) {
      this.#requests.delete(id);
      throw error;
    }
    for (const oldest of this.#requests.keys()) {
      if (this.#requests.size <= KEPT_MAX) break;
      this.#requests.delete(oldest);
    }
    return request.version;
  }
}
