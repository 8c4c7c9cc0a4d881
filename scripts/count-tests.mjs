/**
 * `node scripts/count-tests.mjs REPORT.json STATUS` prints "<passed> <failed>" of a vitest JSON report.
 *
 * Whatever did not pass has failed: tests that did not run, files that could not be loaded, and a run that ended with a
 * status other than 0 although each of its tests passed.
 */

import { readFileSync } from 'node:fs';

const [report, status] = process.argv.slice(2);
const { testResults } = JSON.parse(readFileSync(report, 'utf8'));

let passed = 0;
let failed = 0;
for (const file of testResults) {
  const wrong = file.assertionResults.filter((test) => test.status !== 'passed').length;
  passed += file.assertionResults.length - wrong;
  failed += wrong === 0 && file.status !== 'passed' ? 1 : wrong;
}
if (status !== '0' && failed === 0) failed = 1;
console.log(passed, failed);
