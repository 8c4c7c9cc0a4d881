/** Assertions state what must hold if our own code is right. They are never a check of the user's input. */

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(`SluiceDB bug: ${message}`);
}

/** Closes every switch over a union: adding a member is a compile error at each place that must learn of it. */
export function unreachable(value: never): never {
  throw new AssertionError(`SluiceDB bug: unexpected value ${String(value)}`);
}

/** `array[index]` where the index is known to be in range. */
export function at<T>(array: ArrayLike<T>, index: number): T {
  const value = array[index];
  if (value === undefined) throw new AssertionError(`SluiceDB bug: no element ${index} of ${array.length}`);
  return value;
}
