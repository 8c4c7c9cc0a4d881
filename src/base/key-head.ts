/** Heads of keys: what a search over many sorted keys compares first, in one flat array. */

const TWO_32 = 4294967296;

/** Up to six bytes from `at`, padded with zeros, as a number in key order: what a double holds exactly and fast. */
export function keyHead(key: Uint8Array, at: number, end: number): number {
  if (at + 6 <= end) {
    const high = ((key[at] as number) << 8) | (key[at + 1] as number);
    const low =
      ((key[at + 2] as number) << 24) |
      ((key[at + 3] as number) << 16) |
      ((key[at + 4] as number) << 8) |
      (key[at + 5] as number);
    return high * TWO_32 + (low >>> 0);
  }
  let head = 0;
  for (let i = 0; i < 6; i++) head = head * 256 + (at + i < end ? (key[at + i] as number) : 0);
  return head;
}
