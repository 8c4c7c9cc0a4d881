/**
 * METADATA.json of a watched dataset: which version is to be live, and the files that it is made of.
 *
 *     { "version": 12, "base": ["b-0.sst", "b-1.sst"], "baseVersion": 10,
 *       "deltas": [{ "version": 11, "files": ["d11.sst"] }, { "version": 12, "files": ["d12.sst"] }],
 *       "digests": { "b-0.sst": "64 lower-case hex digits of SHA-256", … }, "prefix": "eu:", "message": "nightly" }
 *
 * `version` is the base's, a delta's, or that of a version which is kept: then nothing else need be there. `baseVersion` may be
 * left out: without deltas it is `version`, with them one less than the first delta's. Files are names in the dataset's directory, or in
 * directories below it. Digests are optional, but then for all files of a version or none. `prefix` is as of an ingest: text that is put
 * before all keys of all files, or { "from": "us:", "to": "eu:" }. Unknown fields are ignored.
 */

import { SluiceError } from '../../base/errors.ts';
import { type IngestPrefix, prefixRewrite } from '../ingest-prefix.ts';

export interface MetadataVersion {
  readonly version: number;
  readonly files: readonly string[];
  /** One for each file. */
  readonly sha256: readonly string[] | undefined;
}

export interface DatasetMetadata {
  readonly version: number;
  readonly message: string | undefined;
  readonly prefix: IngestPrefix | undefined;
  /** The base, and the deltas up to `version`, oldest first; empty where only a kept version is named. */
  readonly chain: readonly MetadataVersion[];
}

/** @throws SluiceError CORRUPTION that says what is wrong in the file at `path` */
export function parseMetadata(text: string, path: string): DatasetMetadata {
  const wrong = (what: string): SluiceError => new SluiceError('CORRUPTION', `${path}: ${what}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new SluiceError('CORRUPTION', `${path} is not JSON; it may be half written`, { cause });
  }
  if (!isRecord(json)) throw wrong('it is not an object');
  const { version, base, baseVersion, deltas = [], digests = {}, message } = json;
  const prefix = prefixOf(json['prefix'], wrong);
  if (!isVersion(version)) throw wrong('version must be a positive integer');
  if (message !== undefined && typeof message !== 'string') throw wrong('message must be a string');
  if (!isRecord(digests)) throw wrong('digests must be an object of file names');
  if (!Array.isArray(deltas)) throw wrong('deltas must be an array');
  if (base === undefined && deltas.length === 0) return { version, message, prefix, chain: [] };
  const chain = deltas.map((delta: unknown, i): MetadataVersion => {
    if (!isRecord(delta) || !isVersion(delta['version'])) {
      throw wrong(`deltas[${i}].version must be a positive integer`);
    }
    return versionOf(delta['version'], delta['files'], digests, `deltas[${i}].files`, wrong);
  });
  const first = chain[0]?.version;
  const number = baseVersion ?? (first === undefined ? version : first - 1);
  if (!isVersion(number)) throw wrong('baseVersion must be a positive integer');
  chain.unshift(versionOf(number, base, digests, 'base', wrong));
  const end = chain.findIndex((each) => each.version === version);
  if (end < 0) throw wrong(`version ${version} is neither the base's nor a delta's`);
  const numbers = new Set(chain.map((each) => each.version));
  if (numbers.size < chain.length) throw wrong('two of its versions have one number');
  return { version, message, prefix, chain: chain.slice(0, end + 1) };
}

function versionOf(
  version: number,
  files: unknown,
  digests: Readonly<Record<string, unknown>>,
  where: string,
  wrong: (what: string) => SluiceError,
): MetadataVersion {
  if (!Array.isArray(files) || files.length === 0)
    throw wrong(`${where} must be a non-empty array of file names`);
  const names: string[] = [];
  for (const name of files as readonly unknown[]) {
    if (typeof name !== 'string' || !isInside(name)) {
      throw wrong(`${where} has ${JSON.stringify(name)}, which is no path inside the dataset's directory`);
    }
    names.push(name);
  }
  const known = names.flatMap((name) => digests[name] ?? []);
  if (known.length === 0) return { version, files: names, sha256: undefined };
  const sha256: string[] = [];
  for (const name of names) {
    const digest = digests[name];
    if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/i.test(digest)) {
      throw wrong(
        `digests must have 64 hex digits for ${JSON.stringify(name)}, as it has for others of ${where}`,
      );
    }
    sha256.push(digest.toLowerCase());
  }
  return { version, files: names, sha256 };
}

function prefixOf(value: unknown, wrong: (what: string) => SluiceError): IngestPrefix | undefined {
  if (value === undefined) return undefined;
  const { from = '', to = '', ...others } = isRecord(value) ? value : { to: value };
  if (typeof from !== 'string' || typeof to !== 'string' || Object.keys(others).length > 0) {
    throw wrong('prefix must be text, or an object with from and to, which are text');
  }
  const prefix = { from, to };
  try {
    prefixRewrite(prefix);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw wrong(error.message.replace('options.', ''));
  }
  return prefix;
}

/** Nothing elsewhere may be read by way of a file that others drop. */
function isInside(name: string): boolean {
  return (
    name !== '' && !name.includes('\0') && name.split('/').every((part) => !['', '.', '..'].includes(part))
  );
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
