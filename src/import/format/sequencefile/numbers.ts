/** Hadoop's integers: the highest byte first, and its vints (header.ts has their layout). Callers know that the bytes are there. */

export function int32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

export function int64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(int32(bytes, at)) << 32n) | BigInt(int32(bytes, at + 4) >>> 0);
}

/** How long the vint is that begins with this byte. */
export function vintBytes(first: number): number {
  const signed = (first << 24) >> 24;
  if (signed >= -112) return 1;
  return signed < -120 ? -119 - signed : -111 - signed;
}

/** Exact to 2^53; a larger one is a number that no length can be. */
export function vint(bytes: Uint8Array, at: number): number {
  const first = ((bytes[at] as number) << 24) >> 24;
  if (first >= -112) return first;
  let value = 0;
  for (let i = 1; i < vintBytes(first); i++) value = value * 256 + (bytes[at + i] as number);
  return first < -120 ? -1 - value : value;
}

export function vlong(bytes: Uint8Array, at: number): bigint {
  const first = ((bytes[at] as number) << 24) >> 24;
  if (first >= -112) return BigInt(first);
  let value = 0n;
  for (let i = 1; i < vintBytes(first); i++) value = (value << 8n) | BigInt(bytes[at + i] as number);
  return first < -120 ? -1n - value : value;
}
