/** A kept version of a dataset, to be read, whatever is live. */

import type { EncodingName } from '../../base/encoding.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Tree } from '../../levels/tree.ts';
import type { Engine } from '../engine.ts';
import type { ReadSource } from '../read-source.ts';
import { Readable } from '../readable.ts';
import type { Snapshot } from '../snapshot.ts';

export class DatasetView<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>
  extends Readable<KE, VE>
  implements Disposable, AsyncDisposable
{
  readonly version: number;
  readonly #engine: Engine;
  readonly #reader: ReadSource;
  /** The version's tree stays until it is closed. */
  readonly #held: Snapshot;

  /** For the dataset; users call `dataset.at(version)`. */
  constructor(
    place: { engine: Engine; name: string; version: number; tree: Tree },
    keyEncoding: KE,
    valueEncoding: VE,
  ) {
    const { engine, name, version, tree } = place;
    super(name, keyEncoding, valueEncoding);
    this.version = version;
    this.#engine = engine;
    this.#reader = engine.reader.ofTree(tree);
    this.#held = engine.snapshot();
  }

  get closed(): boolean {
    return this.#held.closed;
  }

  /** Lets go of the version, which may have been dropped meanwhile. Closing twice is fine. */
  close(): void {
    this.#held.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  protected override checkOpen(): void {
    this.#engine.checkOpen();
    if (this.closed) throw new SluiceError('CLOSED', 'The view of a version is closed; take a new one');
  }

  protected override source(at: Snapshot | undefined): ReadSource {
    if (at !== undefined) throw new TypeError('options.snapshot is not for a version, which never changes');
    this.checkOpen();
    return this.#reader;
  }

  protected override snapshotFor(given: Snapshot | undefined): {
    at: Snapshot | undefined;
    done: () => void;
  } {
    return { at: given, done: () => undefined };
  }
}
