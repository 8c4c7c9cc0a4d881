/** From what a caller names to the descriptions of sources, and from those to the sources, in the thread that reads them. */

import { unreachable } from '../../base/assert.ts';
import { readPipe } from '../../base/env/byte-streams.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { SluiceError } from '../../base/errors.ts';
import type { SourceCompression } from '../../import-options.ts';
import { ByteSource } from './byte-source.ts';
import { expand } from './expand.ts';
import { FedBytes } from './fed-bytes.ts';
import { FileBytes } from './file-bytes.ts';
import type { Source } from './source.ts';
import type { SourceSpec } from './source-spec.ts';
import { UrlBytes } from './url-bytes.ts';

/** `fed`: the chunks of a source that the main thread hands over, each its receiver's. */
export function makeSource(spec: SourceSpec, fed: AsyncIterable<Uint8Array> | undefined): Source {
  switch (spec.kind) {
    case 'file':
      // A pipe has no places to read at: it is read as it comes, once.
      return nodeEnv.fs.statSync(spec.path).isFile
        ? new ByteSource(new FileBytes(nodeEnv.fs, spec.path), spec.compression)
        : new ByteSource(new FedBytes(spec.path, readPipe(spec.path)), spec.compression);
    case 'url':
      return new ByteSource(new UrlBytes(spec.url, nodeEnv.clock), spec.compression);
    case 'fed':
      if (fed !== undefined) return new ByteSource(new FedBytes(spec.name, fed), spec.compression);
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
export async function expandSources(
  inputs: readonly string[],
  compression: SourceCompression = 'auto',
): Promise<SourceSpec[]> {
  return inputs.flatMap((input) => expand(nodeEnv.fs, input, compression));
}
