/**
 * What random tests draw from: the same in every run of one length, so that a run tells of the change that it is run for. What
 * is drawn anew each time are the soaks (`npm run soak`), and `SLUICE_TEST_SEED=random npm test`.
 */

import fc from 'fast-check';
import { LENGTH } from './length.ts';

const { SLUICE_TEST_SEED: text } = process.env;

/** 31 bits. A longer run draws others: it is not to repeat what the shorter one has tried. */
export const SEED = text === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(text ?? LENGTH);
if (!Number.isSafeInteger(SEED))
  throw new TypeError(`SLUICE_TEST_SEED must be a number or random; got ${text}`);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: SEED });
