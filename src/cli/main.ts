#!/usr/bin/env node
/** The `sluice` command: the process around `main`. */

import { SluiceError } from '../base/errors.ts';
import { main } from './program.ts';

const { stdin, stdout, stderr } = process;
// What fails rejects where it is awaited; without a listener the stream would throw it again from here.
for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);

const interrupt = new AbortController();
process.once('SIGINT', () => {
  interrupt.abort();
  // A command may be waiting for input that never comes.
  stdin.destroy(new SluiceError('ABORTED', 'Interrupted'));
});

process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, signal: interrupt.signal });
