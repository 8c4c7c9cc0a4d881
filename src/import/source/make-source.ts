/** From what a caller names to the descriptions of sources, and from those to the sources, in the thread that reads them. */

import { unreachable } from '../../base/assert.ts';
import { readPipe } from '../../base/env/byte-streams.ts';
import type { Env } from '../../base/env/env.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { SluiceError } from '../../base/errors.ts';
import type { SourceCompression } from '../../import-options.ts';
import { ByteSource } from './byte-source.ts';
import { expand } from './expand.ts';
import { FedBytes } from './fed-bytes.ts';
import { FileBytes } from './file-bytes.ts';
import type { Source } from './source.ts';
import type { SourceSpec } from './source-spec.ts';
import type { StoredBytes } from './stored-bytes.ts';
import { UrlBytes } from './url-bytes.ts';

export interface SourceOptions {
  /** The chunks of a source that the main thread hands over, each its receiver's. */
  readonly fed?: AsyncIterable<Uint8Array> | undefined;
  /** Of a source of which a part was read before: which it was then. */
  readonly document?: string | undefined;
  /** Awaited before each chunk. */
  readonly beforeChunk?: (() => Promise<void>) | undefined;
}

/** @throws SluiceError BAD_INPUT for a source that is not the one it was */
export function makeSource(
  spec: SourceSpec,
  { fs, clock }: Pick<Env, 'fs' | 'clock'>,
  { fed, document, beforeChunk }: SourceOptions = {},
): Source {
  const sourceOf = (stored: StoredBytes): Source => new ByteSource(stored, spec.compression, beforeChunk);
  switch (spec.kind) {
    case 'file':
      // A pipe has no places to read at: it is read as it comes, once.
      return fs.statSync(spec.path).isFile
        ? sourceOf(new FileBytes(fs, spec.path, document))
        : sourceOf(new FedBytes(spec.path, readPipe(spec.path)));
    case 'url':
      return sourceOf(new UrlBytes(spec.url, clock, document));
    case 'fed':
      if (fed !== undefined) return sourceOf(new FedBytes(spec.name, fed));
      throw new SluiceError(
        'BAD_INPUT',
        `${spec.name} cannot be read again: an import of a stream does not go on after a restart`,
      );
    default:
      return unreachable(spec);
  }
}

/**
 * The sources that paths, globs, directories, URLs and '-' stand for, in a fixed order.
 * @throws SluiceError FILE_NOT_FOUND where one stands for nothing; TypeError where it is no string or no pattern
 */
export function expandSources(
  fs: FileSystem,
  inputs: readonly string[],
  compression: SourceCompression = 'auto',
): SourceSpec[] {
  return inputs.flatMap((input) => expand(fs, input, compression));
}
