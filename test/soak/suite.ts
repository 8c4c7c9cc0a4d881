/**
 * A long form of tests, run by `npm run soak` until its time is up. One file each in `suites/`, which exports `suite`;
 * there is no other list of them. It stands on the same code as the tests that `npm test` runs.
 */

export interface SoakContext {
  /** Everything random derives from it, as far as scheduling allows. */
  readonly seed: number;
  timeIsUp(): boolean;
  /** A line for whoever waits. */
  progress(line: string): void;
}

/** What was done, for docs/RELIABILITY.md: a number, or words where a number needs them. */
export type Figures = Readonly<Record<string, number | string>>;

export interface Suite {
  /** One line: what it shows when nothing fails. */
  readonly shows: string;
  /** @throws at the first failure, with what repeats it. */
  run(context: SoakContext): Promise<Figures>;
}
