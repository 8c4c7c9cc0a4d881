/** Many at a time, or one alone. */

export class SharedLock {
  #sharers = 0;
  #exclusive = false;
  #waiting: (() => void)[] = [];

  async shared<T>(run: () => Promise<T>): Promise<T> {
    while (this.#exclusive) await this.#change();
    this.#sharers++;
    try {
      return await run();
    } finally {
      this.#sharers--;
      this.#wake();
    }
  }

  async alone<T>(run: () => Promise<T>): Promise<T> {
    while (this.#exclusive) await this.#change();
    this.#exclusive = true;
    while (this.#sharers > 0) await this.#change();
    try {
      return await run();
    } finally {
      this.#exclusive = false;
      this.#wake();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
