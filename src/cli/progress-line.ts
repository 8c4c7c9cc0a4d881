/** On a terminal, one line that is written over; elsewhere nothing. */

import { type Io, write } from './io.ts';
import { bytesText } from './text.ts';

export class ProgressLine {
  readonly #io: Io;
  #shown = '';

  constructor(io: Io) {
    this.#io = io;
  }

  show(text: string): void {
    if (this.#io.stderr.isTTY !== true || text === this.#shown) return;
    this.#shown = text;
    this.#write(`\r${text}\x1b[K`);
  }

  end(): void {
    if (this.#shown !== '') this.#write('\r\x1b[K');
    this.#shown = '';
  }

  /** Nobody waits for it; a terminal that is gone is told by the result's own line. */
  #write(text: string): void {
    write(this.#io.stderr, text).catch(() => undefined);
  }
}

export function checkedText(done: number, total: number): string {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  return `${percent} % of ${bytesText(total)} checked`;
}
