/** How a node reaches the etcd of its cluster. */

import { SluiceError } from '../../../base/errors.ts';

export interface EtcdOptions {
  /** Of all members, as 'http://10.0.0.1:2379'; all of them https, or none. */
  readonly hosts: readonly string[];
  /** PEM. `key` and `cert` are ours, where etcd asks for a client's certificate. */
  readonly tls?: {
    readonly ca: Uint8Array;
    readonly key?: Uint8Array;
    readonly cert?: Uint8Array;
  };
  readonly auth?: { readonly username: string; readonly password: string };
  /** What all keys begin with; clusters may share one etcd. Default: 'sluice'. */
  readonly prefix?: string;
}

/** What keys in etcd are made of: plain ASCII without '/', so that prefixes are ranges. */
const NAME = /^[A-Za-z0-9._-]{1,100}$/;

export function checkEtcdName(what: string, name: string): void {
  if (!NAME.test(name))
    throw new TypeError(`${what} must be 1 to 100 of A-Z a-z 0-9 . _ -; got ${JSON.stringify(name)}`);
}

export function checkEtcdOptions(options: EtcdOptions): void {
  if (options.hosts.length === 0) throw new TypeError('etcd.hosts must name at least one member of etcd');
  for (const host of options.hosts) {
    if (!/^(https?:\/\/)?(\[[0-9a-fA-F:]+\]|[^:/\s]+):\d+$/.test(host))
      throw new TypeError(`etcd.hosts: ${host} is not in the form http://HOST:PORT or https://HOST:PORT`);
  }
  const secure = options.hosts.filter((host) => host.startsWith('https:')).length;
  if (secure !== 0 && secure !== options.hosts.length)
    throw new TypeError('etcd.hosts: all must be https, or none');
  if (options.tls !== undefined && secure === 0)
    throw new TypeError('etcd.tls is given, but etcd.hosts are not https');
  if ((options.tls?.key === undefined) !== (options.tls?.cert === undefined))
    throw new TypeError('etcd.tls: a key needs its cert, and a cert its key');
  for (const part of (options.prefix ?? 'sluice').split('/')) checkEtcdName('etcd.prefix', part);
}

export function closedError(): SluiceError {
  return new SluiceError('CLOSED', 'The connection to the shared log is closed');
}
