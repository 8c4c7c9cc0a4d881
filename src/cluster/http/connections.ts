/**
 * When an answer is over. Of requests that were sent one behind the other, without waiting, only the first has the connection for its answer:
 * should that end, Node tells the others nothing, and whatever counts them would count them for ever.
 */

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export class Connections {
  /** Of the answers of each that are not over. */
  readonly #answers = new WeakMap<Socket, Set<() => void>>();

  /** Calls `over` once: when the answer is sent, or its connection has ended. */
  untilEnd(socket: Socket, response: ServerResponse, over: () => void): void {
    const answers = this.#answers.get(socket) ?? this.#add(socket);
    const end = (): void => {
      if (answers.delete(end)) over();
    };
    answers.add(end);
    response.once('close', end);
  }

  /** One listener for all of them. */
  #add(socket: Socket): Set<() => void> {
    const answers = new Set<() => void>();
    this.#answers.set(socket, answers);
    socket.once('close', () => {
      for (const end of [...answers]) end();
    });
    return answers;
  }
}
