/**
 * What is in etcd for a cluster. All keys are ASCII, under `<prefix>/<cluster>/`:
 *
 * | key | value |
 * | --- | --- |
 * | `config` | JSON: clusterId, replicas, windowVersions. Written once |
 * | `log` | the id of the newest entry. Written with every entry, so its etcd version numbers entries densely, and its revision is the newest entry's |
 * | `log/<id>` | an entry: the bytes of a batch (src/cluster/log/shared-log.ts). Its etcd revision is its place in the order. Written once, deleted by trimming |
 * | `written/<node>` | decimal: the records and the bytes (with those of files) of all entries of a node. Written with each of them |
 * | `trimmed` | decimal: the newest revision that may have been deleted |
 * | `files/<sha256>/<node>` | empty: the node holds the file of this digest durably |
 * | `forgotten` | the last of `files/` that was deleted. Written with every deletion there |
 * | `members/<node>` | JSON: what a live node announces. Under a lease of etcd |
 * | `leases/<name>` | who has a lease of the cluster: a random token. Under a lease of etcd |
 */

import { SluiceError } from '../../../base/errors.ts';
import type { ClusterConfig, ContentDigest, LogWeight, MemberCondition, MemberState } from '../shared-log.ts';
import { checkEtcdName } from './etcd-options.ts';

/** A key and the first one after all that begin with it and '/': '0' follows '/'. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

export class EtcdKeys {
  readonly #root: string;

  constructor(prefix: string, cluster: string) {
    checkEtcdName('cluster', cluster);
    this.#root = `${prefix}/${cluster}`;
  }

  get config(): Buffer {
    return this.#key('config');
  }

  get head(): Buffer {
    return this.#key('log');
  }

  entry(id: string): Buffer {
    return this.#key(`log/${id}`);
  }

  /** The head and all entries, and nothing else. */
  get log(): KeyRange {
    return { key: this.#key('log'), range_end: this.#key('log0') };
  }

  get entries(): KeyRange {
    return this.#below('log');
  }

  idOf(key: Buffer): string {
    return key.toString('latin1').slice(this.#root.length + '/log/'.length);
  }

  written(node: string): Buffer {
    checkEtcdName('node', node);
    return this.#key(`written/${node}`);
  }

  get allWritten(): KeyRange {
    return this.#below('written');
  }

  get trimmed(): Buffer {
    return this.#key('trimmed');
  }

  file(digest: string, node: string): Buffer {
    checkEtcdName('node', node);
    return this.#key(`files/${digest}/${node}`);
  }

  /** Of a key of `files`. */
  digestOf(key: Buffer): string {
    return key.toString('latin1').split('/').at(-2) ?? '';
  }

  holders(digest: string): KeyRange {
    return this.#below(`files/${digest}`);
  }

  get files(): KeyRange {
    return this.#below('files');
  }

  get forgotten(): Buffer {
    return this.#key('forgotten');
  }

  member(node: string): Buffer {
    checkEtcdName('node', node);
    return this.#key(`members/${node}`);
  }

  get members(): KeyRange {
    return this.#below('members');
  }

  lease(name: string): Buffer {
    checkEtcdName('lease', name);
    return this.#key(`leases/${name}`);
  }

  #key(path: string): Buffer {
    return Buffer.from(`${this.#root}/${path}`, 'latin1');
  }

  #below(path: string): KeyRange {
    return { key: this.#key(`${path}/`), range_end: this.#key(`${path}0`) };
  }
}

/** What follows the last '/'. */
export function lastName(key: Buffer): string {
  return key.toString('latin1').split('/').at(-1) ?? '';
}

const CONDITIONS: readonly MemberCondition[] = ['starting', 'running', 'lagging', 'halted'];

export function encodeJson(value: ClusterConfig | MemberState): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function decodeObject(key: Buffer, value: Buffer): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(value.toString());
    if (typeof row === 'object' && row !== null) return { ...row };
  } catch {
    // Said below, with the key.
  }
  throw corrupt(key);
}

function corrupt(key: Buffer): SluiceError {
  return new SluiceError(
    'CORRUPTION',
    `The key ${key.toString('latin1')} in etcd is not in our form: was it written by another program?`,
  );
}

export function decodeConfig(key: Buffer, value: Buffer): ClusterConfig {
  const { clusterId, replicas, windowVersions } = decodeObject(key, value);
  if (typeof clusterId !== 'string' || typeof replicas !== 'number' || typeof windowVersions !== 'number')
    throw corrupt(key);
  return { clusterId, replicas, windowVersions };
}

export function decodeMember(key: Buffer, value: Buffer): MemberState {
  const row = decodeObject(key, value);
  const { node, session, home, beat, url, appliedRevision, appliedVersion, digest } = row;
  const condition = CONDITIONS.find((one) => one === row['condition']);
  if (typeof node !== 'string' || typeof appliedRevision !== 'number' || typeof appliedVersion !== 'number')
    throw corrupt(key);
  if (condition === undefined || typeof digest !== 'string' || typeof session !== 'string')
    throw corrupt(key);
  if (typeof home !== 'string' || typeof beat !== 'number') throw corrupt(key);
  if (url !== undefined && typeof url !== 'string') throw corrupt(key);
  const contents = decodeContents(key, row['contents']);
  return { node, session, home, beat, url, condition, appliedRevision, appliedVersion, digest, ...contents };
}

function decodeContents(key: Buffer, value: unknown): Pick<MemberState, 'contents'> {
  if (value === undefined) return {};
  if (!Array.isArray(value)) throw corrupt(key);
  const contents = (value as readonly unknown[]).map((each) => {
    if (typeof each !== 'object' || each === null) throw corrupt(key);
    const { revision, version, digest }: Partial<Record<keyof ContentDigest, unknown>> = each;
    if (typeof revision !== 'number' || typeof version !== 'number' || typeof digest !== 'string')
      throw corrupt(key);
    return { revision, version, digest };
  });
  return { contents };
}

export function decodeRevision(key: Buffer, value: Buffer): number {
  const text = value.toString('latin1');
  if (!/^\d{1,16}$/.test(text)) throw corrupt(key);
  return Number(text);
}

export function encodeWeight({ records, bytes }: LogWeight): Buffer {
  return Buffer.from(`${records} ${bytes}`, 'latin1');
}

export function decodeWeight(key: Buffer, value: Buffer): LogWeight {
  const [, records, bytes] = /^(\d{1,16}) (\d{1,16})$/.exec(value.toString('latin1')) ?? [];
  if (records === undefined || bytes === undefined) throw corrupt(key);
  return { records: Number(records), bytes: Number(bytes) };
}
