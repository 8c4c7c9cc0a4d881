/**
 * How long tests are whose length is free to choose, as random ones are. `npm test` runs them at length 1, which is what
 * five minutes of two cores allow; the test command, and the canaries, run those again that gain by it.
 */

const { SLUICE_TEST_LENGTH: text = '1' } = process.env;

/** Runs of a test are multiplied by it. */
export const LENGTH = Number(text);
if (!(LENGTH >= 1)) throw new TypeError(`SLUICE_TEST_LENGTH must be a number from 1 on; got ${text}`);
