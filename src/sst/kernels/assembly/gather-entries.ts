/** Gathers what a reader sees of a sound data block; see ../js-gather-entries.ts, whose output it matches byte for byte. */

import { copyForward, matchLength } from './copy';
import { GATHER, KEY, LAST_KEY, LAST_KEY_BYTES, VARINT_END } from './layout';
import { varint32 } from './varint';

const TRAILER_BYTES: usize = 8;
const TYPE_VALUE: u32 = 1;
/** The store that copies a key may be this much too long. */
const SLACK: usize = 16;
const KEY_BYTES_MAX: usize = 65535;

// What `gather` is made for: kinds differ in size, which is known when it is compiled.
type PLAIN = u8;
type PREFIXED = u16;

// Words of the state, as byte offsets from GATHER.
const AT: usize = GATHER;
const LIMIT: usize = GATHER + 4;
const BOUND: usize = GATHER + 8;
const KEY_LENGTH: usize = GATHER + 16;
const DECIDED: usize = GATHER + 20;
const BEFORE_LENGTH: usize = GATHER + 24;
const OUT: usize = GATHER + 28;
const OUT_END: usize = GATHER + 32;
const OUT_BASE: usize = GATHER + 36;
const ENDS: usize = GATHER + 40;
const ROOM: usize = GATHER + 44;
const WITH_VALUES: usize = GATHER + 48;
const ENTRY_AT: usize = GATHER + 52;
const VALUE_AT: usize = GATHER + 56;
const VALUE_LENGTH: usize = GATHER + 60;
const PREFIX_AT: usize = GATHER + 64;
const PREFIX_LENGTH: usize = GATHER + 68;
const CUT: usize = GATHER + 72;

export function gatherEntries(): bool {
  return (load<u32>(PREFIX_LENGTH) | load<u32>(CUT)) == 0 ? gather<PLAIN>() : gather<PREFIXED>();
}

/** A function of its own for each: most tables have no prefix, and theirs need not look for one at every entry. */
function gather<K>(): bool {
  let p = <usize>load<u32>(AT);
  const limit = <usize>load<u32>(LIMIT);
  const bound = load<f64>(BOUND);
  let keyLength = <usize>load<u32>(KEY_LENGTH);
  let decided = load<u32>(DECIDED) != 0;
  const beforeLength = load<i32>(BEFORE_LENGTH);
  let out = <usize>load<u32>(OUT);
  const outEnd = <usize>load<u32>(OUT_END);
  const base = <usize>load<u32>(OUT_BASE);
  let ends = <usize>load<u32>(ENDS);
  let room = load<u32>(ROOM);
  const withValues = load<u32>(WITH_VALUES) != 0;
  const prefixAt = <usize>load<u32>(PREFIX_AT);
  const prefixLength = <usize>load<u32>(PREFIX_LENGTH);
  const cut = <usize>load<u32>(CUT);
  const shortest = cut + TRAILER_BYTES;
  const longest = min(LAST_KEY_BYTES - SLACK, KEY_BYTES_MAX + shortest - min(prefixLength, KEY_BYTES_MAX));
  let entryAt: usize = 0;
  let valueAt: usize = 0;
  let valueLength: usize = 0;
  let ended = false;
  for (;;) {
    if (p >= limit) {
      ended = true;
      break;
    }
    let q = p;
    let shared = <usize>load<u8>(q);
    let unshared = <usize>load<u8>(q + 1);
    let bytes = <usize>load<u8>(q + 2);
    if ((shared | unshared | bytes) < 128) q += 3;
    else {
      shared = varint32(q, limit);
      unshared = varint32(<usize>load<u32>(VARINT_END), limit);
      bytes = varint32(<usize>load<u32>(VARINT_END), limit);
      q = <usize>load<u32>(VARINT_END);
    }
    const length = shared + unshared;
    if (sizeof<K>() == sizeof<PREFIXED>()) {
      if (length < shortest || length > longest) break;
    } else if (length > LAST_KEY_BYTES - SLACK) break;
    const user = length - TRAILER_BYTES;
    const shown = sizeof<K>() == sizeof<PREFIXED>() ? prefixLength + user - cut : user;
    const copied = withValues ? bytes : 0;
    if (room == 0 || shown + copied + SLACK > outEnd - out) break;
    if (beforeLength >= 0 && !isBefore(q, shared, user, <usize>beforeLength)) break;
    const passed =
      decided &&
      keyLength == length &&
      (shared >= user || matchLength(LAST_KEY + shared, q, q + (user - shared)) == user - shared);
    // The last copy may reach seven bytes too far: in the block, whose restart array and footer follow.
    for (let i: usize = 0; i < unshared; i += 8) store<u64>(LAST_KEY + shared + i, load<u64>(q + i));
    keyLength = length;
    entryAt = p;
    valueAt = q + unshared;
    valueLength = bytes;
    p = valueAt + bytes;
    if (passed) continue;
    const trailer = load<u64>(LAST_KEY + user);
    decided = <f64>(trailer >> 8) <= bound;
    if (!decided || (<u32>trailer & 255) != TYPE_VALUE) continue;
    if (sizeof<K>() == sizeof<PREFIXED>()) {
      for (let i: usize = 0; i < prefixLength; i += 16) v128.store(out + i, v128.load(prefixAt + i));
      const rest = out + prefixLength;
      for (let i: usize = 0; i < user - cut; i += 16) v128.store(rest + i, v128.load(LAST_KEY + cut + i));
    } else for (let i: usize = 0; i < user; i += 16) v128.store(out + i, v128.load(LAST_KEY + i));
    out += shown;
    store<u32>(ends, <u32>(out - base));
    copyForward(out, outEnd, valueAt, limit, copied);
    out += copied;
    store<u32>(ends + 4, <u32>(out - base));
    ends += 8;
    room--;
  }
  store<u32>(AT, <u32>p);
  store<u32>(KEY_LENGTH, <u32>keyLength);
  store<u32>(DECIDED, u32(decided));
  store<u32>(OUT, <u32>out);
  store<u32>(ENDS, <u32>ends);
  store<u32>(ROOM, room);
  store<u32>(ENTRY_AT, <u32>entryAt);
  store<u32>(VALUE_AT, <u32>valueAt);
  store<u32>(VALUE_LENGTH, <u32>valueLength);
  return ended;
}

/** Whether the user key whose end is at `q` is before the key at KEY. */
// @ts-ignore: decorator
@inline
function isBefore(q: usize, shared: usize, user: usize, length: usize): bool {
  const n = min(user, length);
  const m = min(shared, n);
  let i = matchLength(LAST_KEY, KEY, KEY + m);
  if (i < m) return load<u8>(LAST_KEY + i) < load<u8>(KEY + i);
  i = m + matchLength(q, KEY + m, KEY + n);
  return i < n ? load<u8>(q + i - m) < load<u8>(KEY + i) : user < length;
}
