import { expect, test } from 'vitest';
import type { Outcome, RecordedTransaction } from '../../history/history.ts';
import { settled } from './outcomes.ts';

function transaction(outcome: Outcome, mark: string, version?: number): RecordedTransaction {
  const times = { beganAt: 1, endedAt: 2 };
  return {
    id: 1,
    process: 'p',
    outcome,
    ...times,
    snapshot: 1,
    version,
    upToDate: true,
    mark,
    operations: [],
  };
}

test('what was acknowledged and is not there, or elsewhere, and what was refused and is there, is told', () => {
  const marks = new Map([['m', 7]]);
  expect(settled([transaction('committed', 'm', 7), transaction('aborted', 'n')], marks)).toHaveLength(2);
  expect(() => settled([transaction('committed', 'n', 7)], marks)).toThrow('was acknowledged, and is lost');
  expect(() => settled([transaction('committed', 'm', 8)], marks)).toThrow('was acknowledged, and is 7');
  expect(() => settled([transaction('aborted', 'm')], marks)).toThrow(
    'was refused, and is there at version 7',
  );
});

test('an unknown outcome is told by the mark; what committed may have done so at any time after', () => {
  const [there, not] = settled(
    [transaction('unknown', 'm'), transaction('unknown', 'n')],
    new Map([['m', 7]]),
  );
  expect(there).toMatchObject({ outcome: 'committed', version: 7, endedAt: Number.POSITIVE_INFINITY });
  expect(not).toMatchObject({ outcome: 'aborted', endedAt: 2 });
});
