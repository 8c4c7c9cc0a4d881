import type { OutputTables } from './output-tables.ts';
import type { Pacer } from './pacer.ts';

/** The inputs of a job as one, in internal order, without what may be left out (L4). */
export interface Merge {
  readonly bytesRead: number;
  readonly entriesRead: number;
  /** Entries kept only for snapshots older than the horizon. */
  readonly heldBack: number;
  /** @throws SluiceError ABORTED by the host; CORRUPTION … of an input; NO_SPACE, IO … of the file system. */
  run(outputs: OutputTables, pacer: Pacer): Promise<void>;
  /** Gives up what it has open. */
  close(): void;
}
