/** From the description of a source to the source, in the thread that reads it. */

import { unreachable } from '../../base/assert.ts';
import { nodeEnv } from '../../base/env/node-env.ts';
import { SluiceError } from '../../base/errors.ts';
import { ByteSource } from './byte-source.ts';
import { FileBytes } from './file-bytes.ts';
import type { Source } from './source.ts';
import { type SourceSpec, sourceName } from './source-spec.ts';

/** `fed`: the chunks of a source that the main thread hands over, each its receiver's. */
export function makeSource(spec: SourceSpec, fed: AsyncIterable<Uint8Array> | undefined): Source {
  switch (spec.kind) {
    case 'file':
      return new ByteSource(new FileBytes(nodeEnv.fs, spec.path), spec.compression);
    case 'url':
    case 'fed':
      throw new SluiceError(
        'UNSUPPORTED_FORMAT',
        `${sourceName(spec)}: this kind of source cannot be read${fed === undefined ? '' : ' from a stream'}`,
      );
    default:
      return unreachable(spec);
  }
}

/** The sources that paths, globs, directories, URLs and '-' stand for, in a fixed order. @throws SluiceError FILE_NOT_FOUND where there is none */
export async function expandSources(inputs: readonly string[]): Promise<SourceSpec[]> {
  return inputs.map((path) => ({ kind: 'file', path, compression: 'auto' }));
}
