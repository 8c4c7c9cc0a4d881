/** What the demo prints: chapters, claims that are checked, measurements. */

import { styleText } from 'node:util';
import type { Paint } from '../levels-drawing.ts';
import { columns } from '../text.ts';

/** Something that the demo was about to print does not hold. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError';
}

/** By the usual rules: FORCE_COLOR, NO_COLOR, else colours on a terminal only. */
function coloured(): boolean {
  const { FORCE_COLOR: force, NO_COLOR: none, TERM: term } = process.env;
  if (force !== undefined) return force !== '0';
  return process.stdout.isTTY === true && (none === undefined || none === '') && term !== 'dumb';
}

export class Narrator {
  readonly paint: Paint;
  claims = 0;
  #chapter = 0;
  readonly #measured: string[][] = [];

  constructor() {
    this.paint = coloured() ? (style, text) => styleText(style, text) : (_style, text) => text;
  }

  title(text: string): void {
    console.log(this.paint('bold', text));
  }

  chapter(text: string): void {
    console.log(`\n${this.paint('cyan', `${++this.#chapter}.`)} ${this.paint('bold', text)}`);
  }

  say(text: string): void {
    console.log(`   ${text}`);
  }

  code(text: string): void {
    for (const line of text.split('\n')) console.log(`     ${this.paint('dim', line)}`);
  }

  /** Prints the claim when it holds. @throws ClaimError when it does not */
  claim(text: string, holds: boolean): void {
    if (!holds) throw new ClaimError(text);
    this.claims++;
    console.log(`   ${this.paint('green', '✓')} ${text}`);
  }

  /** For the table at the end. */
  measure(what: string, value: string): void {
    this.#measured.push([what, value]);
  }

  measurements(): void {
    for (const line of columns(this.#measured, [1])) console.log(`   ${line}`);
  }

  /** Runs `act`; returns its result with the milliseconds that it took. */
  async timed<T>(act: () => Promise<T> | T): Promise<{ result: T; ms: number }> {
    const started = performance.now();
    const result = await act();
    return { result, ms: performance.now() - started };
  }
}

export function rate(count: number, ms: number): string {
  return Math.round((count / ms) * 1000).toLocaleString('en-US');
}
