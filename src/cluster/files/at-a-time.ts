/** Of many files so many at a time: each is a request to other nodes, which bound what they take. */
export const FILES_AT_A_TIME = 16;

/** Rejects with the first failure; what has not begun then never does. */
export async function eachAtATime<T>(
  items: readonly T[],
  count: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  let failed = false;
  const workOn = async (): Promise<void> => {
    for (const item of left) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, workOn));
}
