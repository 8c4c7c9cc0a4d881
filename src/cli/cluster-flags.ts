/** Which node a command speaks to, and what it shows there. */

import { readFileSync } from 'node:fs';
import { ClusterClient } from '../cluster/http/client.ts';
import { resolveHttpOptions } from '../cluster/http-options.ts';
import { type Arguments, type Flag, UsageError } from './command.ts';
import { readConfig } from './serve-config.ts';

export const NODE_FLAGS: Readonly<Record<string, Flag>> = {
  url: { type: 'string', value: 'URL', about: 'of a node', multiple: true },
  'token-file': { type: 'string', value: 'FILE', about: 'the token is its first line' },
  'ca-file': { type: 'string', value: 'FILE', about: 'PEM: who signs the nodes’ certificates' },
  'cert-file': { type: 'string', value: 'FILE', about: 'PEM: our certificate, where nodes ask for one' },
  'key-file': { type: 'string', value: 'FILE', about: 'PEM: its key' },
  config: {
    type: 'string',
    value: 'FILE',
    about: 'instead of these: the configuration of a node on this machine',
  },
};

/** Whether a node is asked, in place of the database DB. */
export function asksNode(args: Arguments): boolean {
  return args.list('url').length > 0 || args.text('config') !== undefined;
}

/** The arguments without DB, which is not among them where a node is asked. @throws UsageError unless so many are there */
export function afterDb(args: Arguments, usage: string, least: number, most: number): readonly string[] {
  if (!asksNode(args)) args.at(0, 'DB');
  const own = asksNode(args) ? args.positionals : args.positionals.slice(1);
  if (own.length >= least && own.length <= most && own.every((one) => one !== '')) return own;
  throw new UsageError(
    `wrong arguments; the command is: sluice ${usage}, with --url URL in place of DB for a node`,
  );
}

/** Asks the node of --url or --config. */
export async function withClient<T>(args: Arguments, act: (client: ClusterClient) => Promise<T>): Promise<T> {
  await using client = clientOf(args);
  return await act(client);
}

/** @throws UsageError */
export function clientOf(args: Arguments): ClusterClient {
  const config = args.text('config');
  const urls = args.list('url');
  if (config !== undefined) return clientOfConfig(config, urls);
  if (urls.length === 0) throw new UsageError('--url URL or --config FILE is missing');
  const token = fileOf(args, 'token-file')?.split('\n')[0]?.trim();
  const [ca, cert, key] = [fileOf(args, 'ca-file'), fileOf(args, 'cert-file'), fileOf(args, 'key-file')];
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  return new ClusterClient({ urls, tls, ...(token !== undefined && { token }) });
}

function clientOfConfig(path: string, urls: readonly string[]): ClusterClient {
  const {
    listen,
    advertise,
    token,
    serverTls,
    clientTls: tls,
  } = resolveHttpOptions(readConfig(path).options);
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const own = advertise ?? `${serverTls === undefined ? 'http' : 'https'}://${host}:${listen.port}`;
  return new ClusterClient({
    urls: urls.length > 0 ? urls : [own],
    ...(token !== undefined && { token }),
    ...(tls !== undefined && { tls }),
  });
}

function fileOf(args: Arguments, name: string): string | undefined {
  const path = args.text(name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--${name} must be a readable file: ${error instanceof Error ? error.message : error}`,
    );
  }
}
