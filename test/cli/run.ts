/** Running the command: in this process with streams in memory, or as the real program in a child process. */

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sink } from '../../src/cli/io.ts';
import { main } from '../../src/cli/program.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function memorySink(): { sink: Sink; text: () => string } {
  const chunks: Buffer[] = [];
  const sink: Sink = {
    write(chunk, done) {
      chunks.push(Buffer.from(chunk));
      done();
      return true;
    },
  };
  return { sink, text: () => Buffer.concat(chunks).toString('utf8') };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  // In pieces, so that lines are cut anywhere.
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

/** `sluice …argv` in this process. */
export async function sluice(argv: readonly string[], input: string | Uint8Array = ''): Promise<Ran> {
  const [out, err] = [memorySink(), memorySink()];
  const stdin = once(typeof input === 'string' ? Buffer.from(input) : input);
  const code = await main(argv, { stdin, stdout: out.sink, stderr: err.sink });
  return { code, out: out.text(), err: err.text() };
}

/** As `sluice`, with the parsed JSON of each line of output. */
export async function sluiceJson(argv: readonly string[], input?: string): Promise<unknown[]> {
  const { code, out, err } = await sluice([...argv, '--json'], input);
  if (code !== 0) throw new Error(`exit code ${code}: ${err}`);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

export const PROGRAM = join(root, 'dist/cli/main.js');
export const DEMO = join(root, 'dist/cli/demo.js');

function newest(dir: string): number {
  return Math.max(
    ...readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|js)$/.test(entry.name))
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}

/** Compiles dist/ unless it is newer than all of src/. */
export async function buildProgram(): Promise<void> {
  if (existsSync(PROGRAM) && existsSync(DEMO) && statSync(PROGRAM).mtimeMs > newest(join(root, 'src')))
    return;
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const { code, out } = await child(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')]);
  if (code !== 0) throw new Error(`The build failed:\n${out}`);
}

/** Runs a program to its end. */
export function child(program: string, argv: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const { NO_COLOR: _none, FORCE_COLOR: _force, ...env } = process.env;
    const running = spawn(program, argv, { env });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    running.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    running.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    running.on('error', reject);
    running.on('close', (code) =>
      resolve({ code: code ?? -1, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }),
    );
    running.stdin.on('error', () => undefined);
    running.stdin.end(input);
  });
}
