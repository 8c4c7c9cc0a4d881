/** The imports of a database whose replica may be made anew: those of the node that it has now. */

import type {
  Importer,
  ImportOptions,
  ImportSource,
  ImportTask,
  ImportTaskInfo,
  ResumeOptions,
} from '../../import-options.ts';
import type { ClusterImports } from './cluster-imports.ts';

export class CurrentImports implements Importer {
  readonly #make: () => ClusterImports;
  #current: ClusterImports;

  constructor(make: () => ClusterImports) {
    this.#make = make;
    this.#current = make();
  }

  /** With another node. REQUIRES: closed. */
  beginAnew(): void {
    this.#current = this.#make();
  }

  start(source: ImportSource, options: ImportOptions): ImportTask {
    return this.#current.start(source, options);
  }

  resume(id: string, options: ResumeOptions): ImportTask {
    return this.#current.resume(id, options);
  }

  tasks(): ImportTaskInfo[] {
    return this.#current.tasks();
  }

  cancel(id: string): Promise<void> {
    return this.#current.cancel(id);
  }

  close(): Promise<void> {
    return this.#current.close();
  }
}
