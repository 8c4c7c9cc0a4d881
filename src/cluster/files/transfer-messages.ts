/** Between the main thread and the one that receives files. */

import type { MessagePort } from 'node:worker_threads';
import type { ClientTls } from '../../base/env/http.ts';
import type { ThreadError } from '../../base/thread-error.ts';
import type { TransferJob, TransferProgress } from './transfer.ts';

/** How a node asks the others. */
export interface TransferClient {
  readonly token: string | undefined;
  readonly tls: ClientTls | undefined;
  /** A connection may be silent so long. */
  readonly stallMs: number;
}

/** The transfers of a node; all else about them goes through the port, which ends them when it is closed. */
export interface ToTransferThread {
  readonly port: MessagePort;
  readonly client: TransferClient;
}

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
