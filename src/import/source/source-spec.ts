/** Where the bytes of an import come from, as plain data. */

import type { SourceCompression } from '../../import-options.ts';

export interface FileSourceSpec {
  readonly kind: 'file';
  readonly path: string;
  readonly compression: SourceCompression;
}

export interface UrlSourceSpec {
  readonly kind: 'url';
  readonly url: string;
  readonly compression: SourceCompression;
}

/** Bytes that the main thread hands to the one that reads: standard input, a stream. It cannot be read again. */
export interface FedSourceSpec {
  readonly kind: 'fed';
  readonly name: string;
  readonly compression: SourceCompression;
}

export type SourceSpec = FileSourceSpec | UrlSourceSpec | FedSourceSpec;

export function sourceName(spec: SourceSpec): string {
  return spec.kind === 'file' ? spec.path : spec.kind === 'url' ? spec.url : spec.name;
}
