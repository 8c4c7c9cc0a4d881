/** The thread that moves files between nodes; see shared-thread.ts. */

import { parentPort } from 'node:worker_threads';
import { unreachable } from '../../base/assert.ts';
import { giveWay } from '../../base/env/thread-priority.ts';
import { NodeReceiver } from './node-receiver.ts';
import { NodeSender } from './node-sender.ts';
import type { ToTransferThread } from './transfer-messages.ts';

giveWay('thirtieth');
parentPort?.on('message', (message: ToTransferThread) => {
  switch (message.kind) {
    case 'receive':
      new NodeReceiver(message.port, message.client);
      break;
    case 'send':
      new NodeSender(message.port, message.server);
      break;
    default:
      unreachable(message);
  }
});
