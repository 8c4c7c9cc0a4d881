/**
 * A reporter of Vitest's for the test command. Writes "<passed> <failed>" to the file SLUICE_COUNTS, and appends to the
 * file SLUICE_FAILURES what failed: file, full name, and the first lines of why.
 *
 * Whatever did not pass has failed: tests that did not run, files that could not be loaded, errors outside of any test.
 */

import { appendFileSync, writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const LINES_MAX = 12;
const COLUMNS_MAX = 300;

/** What was expected and what was there, and where in our code. */
function firstLines({ message = '', diff = '', stack = '' }) {
  const where = stack.split('\n').find((line) => /^ +at .*\/(test|src)\//.test(line)) ?? '';
  const lines = stripVTControlCharacters(`${message}\n${diff}`).split('\n');
  return [...lines.filter((line) => line.trim() !== '').slice(0, LINES_MAX), where.trim()]
    .filter((line) => line !== '')
    .map((line) => `    ${line.slice(0, COLUMNS_MAX)}\n`)
    .join('');
}

export default class CountTests {
  onTestRunEnd(modules, unhandledErrors, reason) {
    const { SLUICE_COUNTS: counts, SLUICE_FAILURES: failures, SLUICE_RUN: run } = process.env;
    let [passed, failed] = [0, 0];
    const fail = (what, errors) => {
      failed++;
      const why = errors.length === 0 ? [{ message: 'It did not run.' }] : errors;
      appendFileSync(failures, `\n${run}: ${what}\n${why.map(firstLines).join('')}`);
    };
    for (const module of modules) {
      const file = module.relativeModuleId;
      const before = failed;
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === 'passed') passed++;
        else fail(`${file} > ${test.fullName}`, errors ?? []);
      }
      const suites = [...module.children.allSuites()].flatMap((suite) => suite.errors());
      const errors = [...module.errors(), ...suites];
      if (errors.length > 0 || (failed === before && module.state() !== 'passed')) fail(file, errors);
    }
    for (const error of unhandledErrors) fail('an error outside of any test', [error]);
    if (reason !== 'passed' && failed === 0) fail(`the run was ${reason}`, []);
    writeFileSync(counts, `${passed} ${failed}`);
  }
}
