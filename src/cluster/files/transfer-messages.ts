/** Between the main thread and the one that moves files between nodes. */

import type { MessagePort } from 'node:worker_threads';
import type { ClientTls } from '../../base/env/http.ts';
import type { ThreadError } from '../../base/thread-error.ts';
import type { NodeServerOptions } from '../http/node-server.ts';
import type { TransferJob, TransferProgress } from './transfer.ts';

/** How a node asks the others. */
export interface TransferClient {
  readonly token: string | undefined;
  readonly tls: ClientTls | undefined;
  /** A connection may be silent so long. */
  readonly stallMs: number;
}

/** A node begins to receive, or to send; all else about that goes through the port, and ends when it is closed. */
export type ToTransferThread =
  | { readonly kind: 'receive'; readonly port: MessagePort; readonly client: TransferClient }
  | { readonly kind: 'send'; readonly port: MessagePort; readonly server: SenderServer };

/** `id`: of the transfer. */
export type ToTransfers =
  | {
      readonly kind: 'begin';
      readonly id: number;
      readonly job: TransferJob;
      readonly sources: readonly string[];
      /** Each piece waits until it is told to go on. */
      readonly isPaced: boolean;
    }
  | { readonly kind: 'sources'; readonly id: number; readonly sources: readonly string[] }
  | { readonly kind: 'go-on'; readonly id: number }
  /** It answers as always. */
  | { readonly kind: 'abort'; readonly id: number };

export type FromTransfers =
  | { readonly kind: 'progress'; readonly id: number; readonly progress: TransferProgress }
  /** So many bytes have come of one that is paced. */
  | { readonly kind: 'pace'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'done'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ThreadError };

/** The server that sends them; its port may be any. */
export type SenderServer = Omit<NodeServerOptions, 'clock' | 'logger'>;

export type ToSender =
  /** Whoever asks for this key, once, is sent the file. */
  | { readonly kind: 'lend'; readonly key: string; readonly path: string }
  | { readonly kind: 'close'; readonly graceMs: number };

export type FromSender =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'deaf'; readonly error: ThreadError }
  | { readonly kind: 'lent'; readonly key: string }
  /** It was sent, or nobody has come for it, or whoever came has left. */
  | { readonly kind: 'returned'; readonly key: string }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'warn' | 'error';
      readonly about: string;
      readonly message: string;
    }
  | { readonly kind: 'closed' };
