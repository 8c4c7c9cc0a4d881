import { MemoryLog } from '../../src/cluster/log/memory-log.ts';
import type { AppendResult, LogAppend } from '../../src/cluster/log/shared-log.ts';

/** It takes what it is given when it is let. */
export class StuckLog extends MemoryLog {
  given = 0;
  let: () => void = () => undefined;
  readonly #let = new Promise<void>((resolve) => {
    this.let = resolve;
  });

  override async append(batch: LogAppend): Promise<AppendResult> {
    this.given++;
    await this.#let;
    return super.append(batch);
  }
}
