/** A second process, to ask things of and to kill. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import type { Reply } from './child-answers.ts';

/** One that whoever starts it kills. */
export class OtherProcess {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  /** @param script URL of a module that calls `answer` of child-answers.ts */
  constructor(script: URL, ...args: string[]) {
    const hooks = new URL('./typescript-hooks.mjs', import.meta.url).href;
    this.#process = fork(script, args, { execArgv: ['--import', hooks] });
    this.#exit = once(this.#process, 'exit');
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The answer of the child; an error there is an error here, with its code. */
  async ask(...question: unknown[]): Promise<unknown> {
    this.#process.send(question);
    const gone = this.#exit.then(([code, signal]) => {
      throw new Error(`the child ended with ${code ?? signal} before it answered`);
    });
    const [reply] = (await Promise.race([once(this.#process, 'message'), gone])) as [Reply];
    if (reply.error !== undefined)
      throw Object.assign(new Error(reply.error.message), { code: reply.error.code });
    return reply.result;
  }

  /** As by `kill -9`; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }
}

/** One that ends with the test. */
export class Child extends OtherProcess {
  constructor(script: URL, ...args: string[]) {
    super(script, ...args);
    onTestFinished(() => void this.kill());
  }
}
