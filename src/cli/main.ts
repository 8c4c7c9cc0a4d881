#!/usr/bin/env node
/** The `sluice` command: the process around `main`. */

import { main } from './program.ts';

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
// A write that fails rejects where it is awaited; without a listener the stream would throw it again from here.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const { stdin, stdout, stderr } = process;
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, signal: interrupt.signal });
