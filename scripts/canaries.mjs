// Shows that the suites catch the bugs that they are there for: npm run canaries [-- --only NAME --jobs 2]
//
// Each test/canaries/*.patch plants one bug in a copy of the source, and says in its head what it breaks, which law, and
// which tests are to catch it. A canary that does not apply any more, or that those tests let live, fails the run.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = resolve(import.meta.dirname, '..');
const CANARIES = join(ROOT, 'test/canaries');
const COPIED = ['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
/** Of what hangs. The slowest takes half a minute on two cores of its own. */
const TIMEOUT_MS = 900_000;
/** As long as the long tests of the test command: a run ends at the first test that fails. */
const TEST_LENGTH = '5';

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, jobs: { type: 'string', default: '2' } },
});

function headOf(text, field) {
  const value = new RegExp(`^${field}: (.+)$`, 'm').exec(text.slice(0, text.indexOf('\ndiff ')))?.[1];
  if (value === undefined) throw new Error(`has no line "${field}: …" at its head`);
  return value;
}

/** Resolves with the exit code and all output. */
function run(command, cwd) {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command], {
      cwd,
      detached: true,
      env: { ...process.env, SLUICE_TEST_LENGTH: TEST_LENGTH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
      });
    }
    // With all that it has started: a planted bug may make a test wait for ever.
    const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), TIMEOUT_MS);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** undefined: caught. Else why not. */
async function survives(name, text, copy) {
  headOf(text, 'Breaks');
  headOf(text, 'Law');
  const suites = headOf(text, 'Caught by');
  for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const patched = await run(`git apply -p0 '${join(CANARIES, name)}'`, copy);
  if (patched.code !== 0) return `does not apply any more: ${patched.output.trim()}`;
  const first = await runSuites(suites, copy, 1);
  if (first.code === 0) return `survives ${suites}`;
  if (first.failed > 0) return undefined;
  // A test that fails while others run beside it may be missing in the report of a run that it cuts short.
  const whole = await runSuites(suites, copy, 0);
  return whole.failed > 0 ? undefined : `no test of ${suites} has failed, but: ${whole.output.slice(-2000)}`;
}

/** Resolves with the exit code, all output, and how many tests have failed; the run ends after `bail` of them. */
async function runSuites(suites, copy, bail) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const options = `--config test/canaries/vitest.config.ts --bail ${bail} --reporter=json --outputFile=${report}`;
  const { code, output } = await run(`npx vitest run ${options} ${suites}`, copy);
  let failed = 0;
  try {
    failed = JSON.parse(readFileSync(report, 'utf8')).numFailedTests;
  } catch {
    // Told by who asks, with the output.
  }
  return { code, output, failed };
}

async function check(name) {
  const started = performance.now();
  const copy = mkdtempSync(join(tmpdir(), 'sluice-canary-'));
  let why;
  try {
    why = await survives(name, readFileSync(join(CANARIES, name), 'utf8'), copy);
  } catch (error) {
    why = error.message;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${why === undefined ? 'caught  ' : 'NOT CAUGHT'} ${name} (${seconds} s)${why === undefined ? '' : `: ${why}`}`,
  );
  if (why !== undefined) living.push(`${name}: ${why}`);
}

const names = readdirSync(CANARIES)
  .filter((name) => name.endsWith('.patch'))
  .filter((name) => values.only === undefined || values.only.some((only) => name.startsWith(only)))
  .sort();
const waiting = [...names];
const living = [];
async function work() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await check(name);
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work));
// Once more, and last: what is read of a long run is its end.
for (const what of living) console.log(`NOT CAUGHT ${what}`);
console.log(`${names.length - living.length} of ${names.length} canaries caught`);
process.exitCode = living.length === 0 && names.length > 0 ? 0 : 1;
