/** The configuration of `sluice serve`: a JSON file, of which every field is checked and none is passed over. */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { HttpOptions, NodeTls } from '../cluster/http-options.ts';
import { Fields } from '../cluster/json-fields.ts';
import type { EtcdOptions } from '../cluster/log/etcd/etcd-options.ts';
import type { AloneOptions, NodeOptions } from '../cluster/open-node.ts';
import { UsageError } from './command.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface ServeConfig {
  /** Without a cluster: a database alone. */
  readonly options: NodeOptions | AloneOptions;
  readonly logLevel: LogLevel;
  readonly graceMs: number;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

const DATABASE_COUNTS = [
  'memtableBytes',
  'blockCacheBytes',
  'blockBytes',
  'filterBitsPerKey',
  'maxOpenTables',
  'level0Trigger',
  'levelBaseBytes',
  'targetFileBytes',
  'maxBackgroundWork',
  'maxSubcompactions',
  'backgroundBytesPerSecond',
  'keepHistoryMs',
  'keepVersions',
] as const;

export function isClusterConfig(options: NodeOptions | AloneOptions): options is NodeOptions {
  return 'etcd' in options;
}

/** Paths in it are from the file's own directory. @throws UsageError that names the file and the field */
export function readConfig(path: string): ServeConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--config: ${path} cannot be read: ${error instanceof Error ? error.message : error}`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  try {
    return configOf(new Fields(json, 'config'), dirname(resolve(path)));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${path}: ${error.message}`);
  }
}

function configOf(fields: Fields, base: string): ServeConfig {
  const dir = resolve(base, fields.requiredText('dir'));
  const node = fields.requiredText('node');
  const http = httpOf(fields, base);
  const database = databaseOf(fields.object('database'));
  const cluster = fields.object('cluster');
  const logLevel = fields.choice('logLevel', LEVELS) ?? 'info';
  const graceMs = fields.count('graceMs') ?? 10_000;
  fields.end();
  const alone = { dir, node, ...http, ...database };
  return {
    options: cluster === undefined ? alone : { ...alone, ...clusterOf(cluster, base) },
    logLevel,
    graceMs,
  };
}

function httpOf(fields: Fields, base: string): HttpOptions {
  const tls = fields.object('tls');
  const limits = fields.object('limits');
  const pulls = fields.object('pulls');
  return present({
    listen: fields.text('listen'),
    listenFiles: fields.text('listenFiles'),
    advertise: fields.text('advertise'),
    token: secretOf(fields, 'token', base),
    clientToken: secretOf(fields, 'clientToken', base),
    ingestDirs: fields.texts('ingestDirs')?.map((dir) => resolve(base, dir)),
    tls: tls && tlsOf(tls, base),
    // By their names: whoever resolves them checks them.
    limits: limits && countsOf(limits),
    pulls: pulls && countsOf(pulls),
  });
}

/** `token`, or the first line of `tokenFile`: a file can be kept from others' eyes. */
function secretOf(fields: Fields, name: string, base: string): string | undefined {
  const [given, file] = [fields.text(name), fields.text(`${name}File`)];
  if (file === undefined) return given;
  if (given !== undefined) throw new TypeError(`config must have either ${name} or ${name}File`);
  return contents(fields, `${name}File`, file, base).split('\n')[0]?.trim();
}

function contents(fields: Fields, name: string, path: string, base: string): string {
  try {
    return readFileSync(resolve(base, path), 'utf8');
  } catch (error) {
    throw new TypeError(
      `${fields.path}.${name} must be a readable file: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function tlsOf(fields: Fields, base: string): NodeTls {
  const pem = (name: string): string => contents(fields, name, fields.requiredText(name), base);
  const [cert, key] = [pem('certFile'), pem('keyFile')];
  const ca = fields.says('caFile') ? pem('caFile') : undefined;
  const clientCertificates = fields.flag('clientCertificates');
  fields.end();
  return { cert, key, ...present({ ca, clientCertificates }) };
}

function clusterOf(
  fields: Fields,
  base: string,
): Pick<NodeOptions, 'cluster' | 'etcd' | 'replicas' | 'windowVersions' | 'commitTimeoutMs'> {
  const cluster = fields.requiredText('name');
  const etcd = fields.object('etcd');
  if (etcd === undefined) throw fields.wrong('etcd', 'an object with hosts', undefined);
  const own = present({
    replicas: fields.count('replicas', 1),
    windowVersions: fields.count('windowVersions', 1),
    commitTimeoutMs: fields.count('commitTimeoutMs', 1),
  });
  fields.end();
  return { cluster, etcd: etcdOf(etcd, base), ...own };
}

function etcdOf(fields: Fields, base: string): EtcdOptions {
  const hosts = fields.texts('hosts');
  if (hosts === undefined) throw fields.wrong('hosts', 'an array of URLs', undefined);
  const prefix = fields.text('prefix');
  const [auth, tls] = [fields.object('auth'), fields.object('tls')];
  fields.end();
  return {
    hosts,
    ...present({ prefix, auth: auth && authOf(auth, base), tls: tls && etcdTlsOf(tls, base) }),
  };
}

function authOf(fields: Fields, base: string): NonNullable<EtcdOptions['auth']> {
  const username = fields.requiredText('username');
  const password = secretOf(fields, 'password', base);
  if (password === undefined) throw fields.wrong('password', 'a non-empty string', undefined);
  fields.end();
  return { username, password };
}

function etcdTlsOf(fields: Fields, base: string): NonNullable<EtcdOptions['tls']> {
  const pem = (name: string): Buffer | undefined =>
    fields.says(name) ? Buffer.from(contents(fields, name, fields.requiredText(name), base)) : undefined;
  const [ca, key, cert] = [pem('caFile'), pem('keyFile'), pem('certFile')];
  fields.end();
  if (ca === undefined) throw fields.wrong('caFile', 'a path', undefined);
  return { ca, ...present({ key, cert }) };
}

function databaseOf(fields: Fields | undefined): Partial<AloneOptions> {
  if (fields === undefined) return {};
  const counts = DATABASE_COUNTS.map((name) => [name, fields.count(name)] as const);
  const rest = {
    durability: fields.choice('durability', ['fsync', 'os']),
    compression: fields.choice('compression', ['lz4', 'none', 'snappy', 'zstd']),
    compaction: fields.choice('compaction', ['auto', 'off']),
  };
  fields.end();
  return present({ ...Object.fromEntries(counts), ...rest });
}

function countsOf(fields: Fields): Record<string, number> {
  return Object.fromEntries(
    fields.names().map((name) => {
      const count = fields.count(name);
      if (count === undefined) throw fields.wrong(name, 'a whole number', undefined);
      return [name, count] as const;
    }),
  );
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined. */
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
