/** Medians of small loops, for work on one part; what counts is `npm run bench`. */

/** Runs `work` (which does `ops` operations) once to warm up and `runs` times for the record; prints ns per operation. */
export async function measure(name, ops, work, runs = 7) {
  const samples = [];
  for (let run = 0; run <= runs; run++) {
    const started = performance.now();
    await work();
    if (run > 0) samples.push(((performance.now() - started) * 1e6) / ops);
  }
  const nsPerOp = samples.sort((a, b) => a - b)[runs >> 1];
  console.log(
    `${name.padEnd(40)} ${nsPerOp.toFixed(1).padStart(10)} ns ${(1e3 / nsPerOp).toFixed(2).padStart(8)} M/s`,
  );
  return nsPerOp;
}
