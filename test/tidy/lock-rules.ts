/** The lock file must name the optional packages of platforms other than the one it was made on. */

interface LockRow {
  readonly optionalDependencies?: Record<string, string>;
}

export function missingFromLock(lock: string): string[] {
  const { packages } = JSON.parse(lock) as { packages: Record<string, LockRow> };
  return Object.entries(packages).flatMap(([parent, row]) =>
    Object.keys(row.optionalDependencies ?? {})
      .filter((name) => !packages[`node_modules/${name}`] && !packages[`${parent}/node_modules/${name}`])
      .map((name) => `${name} is not in package-lock.json: run node scripts/complete-lock.mjs`),
  );
}
