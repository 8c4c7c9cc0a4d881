/**
 * What a failed call to etcd means.
 *
 * etcd3 (1.1.2) turns gRPC's errors into classes of its own and drops the code; it is still the first word of the message:
 * "14 UNAVAILABLE: etcdserver: request timed out".
 */

import { unreachable } from '../../../base/assert.ts';
import { SluiceError } from '../../../base/errors.ts';

/**
 * `passing`: another member, or the same one later, may answer; the call may have been done nevertheless.
 * `compacted`: the history of the revision that was asked is gone; or is not there yet, as etcd was restored from a backup.
 */
export type EtcdFailure = 'passing' | 'compacted' | 'lease-lost' | 'no-space' | 'refused' | 'wrong';

/** gRPC's CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const PASSING_CODES = new Set([1, 2, 4, 8, 10, 13, 14, 15]);

function codeOf(message: string): number | undefined {
  const code = /^(?:\w+: )?(\d+) [A-Z_]+:/.exec(message)?.[1];
  return code === undefined ? undefined : Number(code);
}

/** Users or roles have been changed since it was given, which tokens of the kind JWT have in them. */
export function isTokenOld(error: unknown): boolean {
  return error instanceof Error && error.message.includes('revision of auth store is old');
}

export function classify(error: unknown): EtcdFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (isTokenOld(error)) return 'passing';
  if (/required revision (has been compacted|is a future revision)/.test(message)) return 'compacted';
  if (message.includes('requested lease not found')) return 'lease-lost';
  if (message.includes('is expired or revoked')) return 'lease-lost'; // etcd3's own words for it
  if (message.includes('database space exceeded')) return 'no-space';
  if (
    /permission denied|authentication|user name is empty|invalid user ID|PERMISSION_DENIED|UNAUTHENTICATED/.test(
      message,
    )
  )
    return 'refused';
  // A token that ended: etcd3 takes a new one at its next call.
  if (message.includes('invalid auth token')) return 'passing';
  const code = codeOf(message);
  return code === undefined || PASSING_CODES.has(code) ? 'passing' : 'wrong';
}

/** OpenSSL's words, those of Node's checks, and those of grpc-js where it reports the handshake's. */
function isOfTls(said: string): boolean {
  return /SSL routines|certificate|altnames/.test(said);
}

export function etcdError(error: unknown, doing: string, hosts: readonly string[]): SluiceError {
  const failure = classify(error);
  const said = error instanceof Error ? error.message : String(error);
  switch (failure) {
    case 'no-space':
      return new SluiceError(
        'NO_SPACE',
        `etcd has reached its space quota (${doing}): raise --quota-backend-bytes or free space, ` +
          `defragment each member with "etcdctl defrag", then lift the alarm with "etcdctl alarm disarm"`,
        { cause: error },
      );
    case 'refused':
      return new SluiceError(
        'PERMISSION',
        `etcd refused it (${doing}): check etcd.auth and the permissions of that user: ${said}`,
        { cause: error },
      );
    case 'passing':
    case 'lease-lost':
    case 'compacted':
      return new SluiceError(
        'UNAVAILABLE',
        `etcd does not answer (${doing}; ${hosts.join(', ')}): ${said}; ${isOfTls(said) ? 'check etcd.tls' : 'try again'}`,
        { cause: error },
      );
    case 'wrong':
      return new SluiceError('IO', `etcd answered with an error (${doing}): ${said}`, { cause: error });
    default:
      return unreachable(failure);
  }
}
