/** A Bloom filter in memory: see ../../filter.ts. */

const GOLDEN: u32 = 0x9e3779b9;
/** Of hashes. */
const AHEAD_BYTES: usize = 16 * 8;

// @ts-ignore: decorator
@inline
export function filterLine(hash: u64, filterAt: usize, lines: u32): usize {
  return filterAt + (<usize>(((hash & 0xffffffff) * <u64>lines) >> 32) << 6);
}

// @ts-ignore: decorator
@inline
export function nextProbe(h: u32): u32 {
  return h * GOLDEN;
}

/** Sets the bits of `count` keys whose hashes, u64 each, are at `hashesAt`. */
export function setFilterBits(hashesAt: usize, count: usize, filterAt: usize, lines: u32, probes: u32): void {
  const end = hashesAt + (count << 3);
  for (; hashesAt < end; hashesAt += 8) {
    // A line of a large filter is in no near cache: it is asked for before its turn comes.
    if (hashesAt + AHEAD_BYTES < end) load<u8>(filterLine(load<u64>(hashesAt + AHEAD_BYTES), filterAt, lines));
    const hash = load<u64>(hashesAt);
    const line = filterLine(hash, filterAt, lines);
    let h = <u32>(hash >> 32);
    for (let k: u32 = 0; k < probes; k++) {
      const at = line + <usize>(h >> 26);
      store<u8>(at, <u8>(<u32>load<u8>(at) | (1 << ((h >> 23) & 7))));
      h = nextProbe(h);
    }
  }
}
