/** A process with a database at work (`job-child.ts`), limited or killed, and what it told. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./job-child.ts', import.meta.url));
/** It ends by itself, is killed, or has hung. */
const LIFE_MS_MAX = 120_000;

export interface Life {
  readonly puts: number[];
  readonly codes: string[];
  /** With their messages. */
  readonly errors: string[];
  readonly reads: number[];
  readonly open: boolean;
  readonly end: boolean;
  readonly signal: unknown;
}

export interface LifeOptions {
  /** Options of a shell's `ulimit`. */
  readonly limit?: string;
  /** How long after the second "begun" it is killed; undefined: it is not. */
  readonly killMs?: number;
  /** It is killed then, too. */
  readonly until?: Promise<unknown>;
  /** Of each line, the first word. */
  readonly onTold?: (word: string) => void;
}

export async function live(dir: string, job: string, options: LifeOptions = {}): Promise<Life> {
  const { limit, killMs, until, onTold } = options;
  const command = `${limit === undefined ? '' : `ulimit ${limit}; `}exec "$0" --import "$1" "$2" "$3" "$4"`;
  const child = spawn('bash', ['-c', command, process.execPath, HOOKS, CHILD, dir, job], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  const hung = setTimeout(kill, LIFE_MS_MAX);
  void until?.then(kill);
  const closed = once(child, 'close');
  const life = {
    puts: [] as number[],
    codes: [] as string[],
    errors: [] as string[],
    reads: [] as number[],
    open: false,
    end: false,
  };
  let begun = 0;
  try {
    for await (const line of createInterface(child.stdout)) {
      const [word = '', value = '', ...rest] = line.split(' ');
      if (word === 'put') life.puts.push(Number(value));
      else if (word === 'code') {
        life.codes.push(value);
        life.errors.push([value, ...rest].join(' '));
      } else if (word === 'read') life.reads.push(Number(value));
      else if (word === 'open') life.open = true;
      else if (word === 'end') life.end = true;
      else if (word === 'begun' && killMs !== undefined && ++begun === 2) setTimeout(kill, killMs);
      onTold?.(word);
    }
    return { ...life, signal: (await closed)[1] };
  } finally {
    clearTimeout(hung);
    kill();
  }
}
