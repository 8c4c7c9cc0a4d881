/** How much the threads of this process give way to others. */

import { readdirSync, readFileSync } from 'node:fs';

const NICE_FIELD = 16; // of those after the name

/** By thread id; of Linux. */
export function niceOfThreads(): Map<string, number> {
  const threads = new Map<string, number>();
  for (const task of readdirSync('/proc/self/task')) {
    const stat = statOf(task);
    if (stat === undefined) continue;
    threads.set(task, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[NICE_FIELD]));
  }
  return threads;
}

/** undefined: it has ended since the list was made. */
function statOf(task: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${task}/stat`, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
