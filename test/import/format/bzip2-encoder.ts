/** A bzip2 compressor of the simplest kind, for round trips: rotations are sorted naively, all Huffman codes are as long. */

const CRC = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let i = 0; i < 8; i++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

class BitWriter {
  readonly bytes: number[] = [];
  #byte = 0;
  #held = 0;

  put(value: number, bits: number): void {
    for (let i = bits - 1; i >= 0; i--) {
      this.#byte = (this.#byte << 1) | (Math.floor(value / 2 ** i) % 2);
      if (++this.#held < 8) continue;
      this.bytes.push(this.#byte);
      this.#byte = this.#held = 0;
    }
  }

  finish(): Uint8Array {
    while (this.#held !== 0) this.put(0, 1);
    return Uint8Array.from(this.bytes);
  }
}

/** One stream; a block every `blockBytes` bytes of input. */
export function bzip2(input: Uint8Array, blockBytes = 5000): Uint8Array {
  const out = new BitWriter();
  out.put(0x425a6839, 32);
  let sum = 0;
  for (let at = 0; at < input.length; at += blockBytes) {
    const raw = input.subarray(at, at + blockBytes);
    const crc = ~raw.reduce((c, byte) => (c << 8) ^ (CRC[(c >>> 24) ^ byte] ?? 0), -1) >>> 0;
    sum = (((sum << 1) | (sum >>> 31)) ^ crc) >>> 0;
    putBlock(out, crc, runLengths(raw));
  }
  out.put(0x177245385090, 48);
  out.put(sum, 32);
  return out.finish();
}

function runLengths(raw: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < raw.length; ) {
    const byte = raw[i] ?? 0;
    let run = 1;
    while (run < 259 && raw[i + run] === byte) run++;
    for (let n = 0; n < Math.min(run, 4); n++) bytes.push(byte);
    if (run >= 4) bytes.push(run - 4);
    i += run;
  }
  return Uint8Array.from(bytes);
}

function putBlock(out: BitWriter, crc: number, block: Uint8Array): void {
  const twice = Buffer.concat([block, block]);
  const n = block.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) =>
    Buffer.compare(twice.subarray(a, a + n), twice.subarray(b, b + n)),
  );
  const used = [...new Set(block)].sort((a, b) => a - b);
  out.put(0x314159265359, 48);
  out.put(crc, 32);
  out.put(0, 1);
  out.put(order.indexOf(0), 24);
  const ranges = Array.from({ length: 16 }, (_, r) => used.filter((byte) => byte >> 4 === r));
  for (const range of ranges) out.put(range.length > 0 ? 1 : 0, 1);
  for (const range of ranges.filter(({ length }) => length > 0))
    for (let i = 0; i < 16; i++) out.put(range.some((byte) => (byte & 15) === i) ? 1 : 0, 1);
  const symbols = movedToFront(
    order.map((at) => twice[at + n - 1] ?? 0),
    used,
  );
  const selectors = Math.ceil(symbols.length / 50);
  out.put(2, 3);
  out.put(selectors, 15);
  for (let i = 0; i < selectors; i++) out.put(0, 1);
  const bits = Math.ceil(Math.log2(used.length + 2));
  for (let table = 0; table < 2; table++) {
    out.put(bits, 5);
    for (let symbol = 0; symbol < used.length + 2; symbol++) out.put(0, 1);
  }
  for (const symbol of symbols) out.put(symbol, bits);
}

function movedToFront(column: number[], used: number[]): number[] {
  const recent = [...used];
  const symbols: number[] = [];
  let zeros = 0;
  const flush = () => {
    for (; zeros > 0; zeros = (zeros - 1) >> 1) symbols.push((zeros - 1) & 1);
    zeros = 0;
  };
  for (const byte of column) {
    const place = recent.indexOf(byte);
    if (place === 0) {
      zeros++;
      continue;
    }
    flush();
    symbols.push(place + 1);
    recent.splice(place, 1);
    recent.unshift(byte);
  }
  flush();
  return [...symbols, used.length + 1];
}
