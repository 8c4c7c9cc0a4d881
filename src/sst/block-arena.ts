/**
 * Room for cached blocks: a range of the heap in chunks of 64 KiB, filled one after the other.
 *
 * Room is made a chunk at a time by the clock: of the chunk under the hand the blocks used since its last visit slide to
 * the chunk's start and the others are dropped; a chunk that is mostly in use is passed over once. A larger block takes
 * a run of chunks. Chunks with pins stay as they are.
 *
 * A block is a frame: a row of `frames` and one of `places`, with no object of its own. Scans that must not wash the cache out fill a small
 * ring of chunks of their own ("cold").
 */

/** Words of a frame. Frame 0 is none. */
export const FRAME_WORDS = 6;
export const FRAME_RESTARTS_AT = 0;
export const FRAME_RESTART_COUNT = 1;
const FRAME_OWNER = 2;
const FRAME_BLOCK = 3;
/** The next frame of the same chunk, by ascending start. */
const FRAME_NEXT = 4;
const FRAME_BYTES = 5;

/** What lookups ask of a frame is apart, so that little memory has it for all frames. */
export const PLACE_WORDS = 2;
export const PLACE_START = 0;
/** Bit 0: used since the hand came by; the rest: how far behind its start the block's heads are, 0 when it has none. */
export const PLACE_MARKS = 1;
export const USED = 1;

export const CHUNK_BYTES = 65536;
const FREE = 0;
const BLOCKS = 1;
const RUN = 2;
const RUN_REST = 3;

export class BlockArena {
  /** Replaced when it grows: fetch it anew after anything that may load. */
  frames: Uint32Array = new Uint32Array(FRAME_WORDS * 1024);
  /** As `frames`. */
  places: Uint32Array = new Uint32Array(PLACE_WORDS * 1024);
  /** Bytes of the blocks held. */
  bytesHeld = 0;
  blocksHeld = 0;
  evictions = 0;

  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #chunks: number;
  readonly #state: Uint8Array;
  readonly #pins: Uint32Array;
  readonly #firstFrame: Uint32Array;
  readonly #lastFrame: Uint32Array;
  readonly #runChunks: Uint32Array;
  #freeFrame = 0;
  #frameCount = 1;
  #usable: number;

  /** Current chunks: [warm, cold]; -1 none. And how much of each is filled. */
  readonly #current = [-1, -1];
  readonly #filled = [0, 0];
  #hand = 0;
  readonly #coldRing: Int32Array;
  #coldAt = 0;

  readonly #slots: (Int32Array | undefined)[] = [];
  readonly #freeOwners: number[] = [];

  constructor(bytes: Uint8Array, start: number, chunks: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#chunks = chunks;
    this.#usable = chunks;
    this.#state = new Uint8Array(chunks);
    this.#pins = new Uint32Array(chunks);
    this.#firstFrame = new Uint32Array(chunks);
    this.#lastFrame = new Uint32Array(chunks);
    this.#runChunks = new Uint32Array(chunks);
    this.#coldRing = new Int32Array(Math.min(32, Math.max(4, chunks >>> 4))).fill(-1);
  }

  /** Registers a table by its slot array: block → frame. Evictions write zeros there. */
  addOwner(slots: Int32Array): number {
    const owner = this.#freeOwners.pop() ?? this.#slots.length;
    this.#slots[owner] = slots;
    return owner;
  }

  /** The frames stay until their chunk's turn comes, but nothing leads to them any more. */
  removeOwner(owner: number): void {
    const slots = this.#slots[owner];
    if (slots === undefined) return;
    for (const frame of slots) if (frame !== 0) this.#orphan(frame);
    slots.fill(0);
    this.#slots[owner] = undefined;
    this.#freeOwners.push(owner);
  }

  #orphan(frame: number): void {
    const at = frame * FRAME_WORDS;
    this.frames[at + FRAME_OWNER] = 0xffffffff;
    this.places[frame * PLACE_WORDS + PLACE_MARKS] = 0;
    this.blocksHeld--;
    this.bytesHeld -= this.frames[at + FRAME_BYTES] as number;
  }

  /** Lets the arena use this many chunks only, from its start. */
  limit(chunks: number): void {
    this.#usable = Math.min(this.#chunks, chunks);
    for (let c = this.#usable; c < this.#chunks; c++) if (this.#evictable(c)) this.#drop(c);
  }

  pin(frame: number): void {
    const chunk = this.#chunkOf(frame);
    this.#pins[chunk] = (this.#pins[chunk] as number) + 1;
  }

  unpin(frame: number): void {
    const chunk = this.#chunkOf(frame);
    this.#pins[chunk] = (this.#pins[chunk] as number) - 1;
  }

  #chunkOf(frame: number): number {
    return ((this.places[frame * PLACE_WORDS] as number) - this.#start) >>> 16;
  }

  /** Room for a block, -1 when all is pinned. It is the caller's until `commit`; a second `reserve` takes it back. */
  reserve(bytes: number, cold: boolean): number {
    if (bytes > CHUNK_BYTES) return this.#reserveRun(Math.ceil(bytes / CHUNK_BYTES));
    const lane = cold ? 1 : 0;
    const chunk = this.#current[lane] as number;
    const filled = this.#filled[lane] as number;
    if (chunk >= 0 && filled + bytes <= CHUNK_BYTES) return this.#start + chunk * CHUNK_BYTES + filled;
    const next = cold ? this.#nextColdChunk() : this.#nextChunk(bytes);
    this.#current[lane] = next;
    if (next < 0) return -1;
    return this.#start + next * CHUNK_BYTES + (this.#filled[lane] as number);
  }

  /** Makes the block at `start`, which `reserve` gave, a frame; `bytes` with its heads, `headsAt` 0 when it has none. */
  commit(
    start: number,
    bytes: number,
    restartsAt: number,
    restartCount: number,
    owner: number,
    block: number,
    headsAt = 0,
  ): number {
    const chunk = (start - this.#start) >>> 16;
    const frame = this.#newFrame();
    const at = frame * FRAME_WORDS;
    const frames = this.frames;
    this.places[frame * PLACE_WORDS] = start;
    this.places[frame * PLACE_WORDS + PLACE_MARKS] = headsAt === 0 ? 0 : (headsAt - start) << 1;
    frames[at + FRAME_RESTARTS_AT] = restartsAt;
    frames[at + FRAME_RESTART_COUNT] = restartCount;
    frames[at + FRAME_OWNER] = owner;
    frames[at + FRAME_BLOCK] = block;
    frames[at + FRAME_NEXT] = 0;
    frames[at + FRAME_BYTES] = bytes;
    const last = this.#lastFrame[chunk] as number;
    if (last === 0) this.#firstFrame[chunk] = frame;
    else frames[last * FRAME_WORDS + FRAME_NEXT] = frame;
    this.#lastFrame[chunk] = frame;
    if (bytes > CHUNK_BYTES) this.#commitRun(chunk, Math.ceil(bytes / CHUNK_BYTES));
    else {
      const lane = chunk === this.#current[0] ? 0 : 1;
      this.#filled[lane] = (start + bytes - this.#start) & (CHUNK_BYTES - 1) || CHUNK_BYTES;
    }
    const slots = this.#slots[owner];
    if (slots !== undefined) slots[block] = frame;
    this.blocksHeld++;
    this.bytesHeld += bytes;
    return frame;
  }

  #newFrame(): number {
    const free = this.#freeFrame;
    if (free !== 0) {
      this.#freeFrame = this.frames[free * FRAME_WORDS + FRAME_NEXT] as number;
      return free;
    }
    if (this.#frameCount * FRAME_WORDS === this.frames.length) {
      this.frames = grown(this.frames);
      this.places = grown(this.places);
    }
    return this.#frameCount++;
  }

  #evictable(chunk: number): boolean {
    return (
      this.#pins[chunk] === 0 &&
      this.#state[chunk] !== RUN_REST &&
      chunk !== this.#current[0] &&
      chunk !== this.#current[1]
    );
  }

  /** Makes a chunk current; sets how much of it survivors fill. -1: none can be had. */
  #nextChunk(bytes: number): number {
    this.#current[0] = -1;
    // Twice round with mercy for chunks in use, once without.
    for (let step = 0; step < this.#usable * 3; step++) {
      const chunk = this.#hand;
      this.#hand = chunk + 1 >= this.#usable ? 0 : chunk + 1;
      if (!this.#evictable(chunk)) continue;
      if (this.#state[chunk] === BLOCKS && step < this.#usable * 2) {
        const kept = this.#compact(chunk, CHUNK_BYTES - Math.max(bytes, CHUNK_BYTES >>> 1));
        if (kept < 0) continue;
        this.#filled[0] = kept;
        return chunk;
      }
      if (this.#state[chunk] === RUN && step < this.#usable * 2 && this.#wasUsed(chunk)) continue;
      this.#drop(chunk);
      this.#state[chunk] = BLOCKS;
      this.#filled[0] = 0;
      return chunk;
    }
    return -1;
  }

  #nextColdChunk(): number {
    this.#current[1] = -1;
    const ring = this.#coldRing;
    // The oldest of the ring that no cursor stands in.
    for (let turn = 0; turn < ring.length; turn++) {
      this.#coldAt = this.#coldAt + 1 >= ring.length ? 0 : this.#coldAt + 1;
      const old = ring[this.#coldAt] as number;
      if (old < 0) break;
      if (old >= this.#usable || this.#state[old] !== BLOCKS || !this.#evictable(old)) continue;
      this.#drop(old);
      this.#state[old] = BLOCKS;
      this.#filled[1] = 0;
      return old;
    }
    // Takes the warm lane's way to a chunk, then gives that lane its own back.
    const warm = this.#current[0] as number;
    const warmFilled = this.#filled[0] as number;
    let chunk = -1;
    for (let c = 0; c < this.#usable && chunk < 0; c++) if (this.#state[c] === FREE) chunk = c;
    if (chunk < 0) {
      const pinned = warm >= 0 ? (this.#pins[warm] as number) : 0;
      if (warm >= 0) this.#pins[warm] = pinned + 1;
      chunk = this.#nextChunk(CHUNK_BYTES);
      if (warm >= 0) this.#pins[warm] = pinned;
      if (chunk >= 0) this.#drop(chunk);
    }
    this.#current[0] = warm;
    this.#filled[0] = warmFilled;
    if (chunk < 0) return -1;
    this.#state[chunk] = BLOCKS;
    this.#filled[1] = 0;
    ring[this.#coldAt] = chunk;
    return chunk;
  }

  #wasUsed(chunk: number): boolean {
    const at = (this.#firstFrame[chunk] as number) * PLACE_WORDS + PLACE_MARKS;
    const marks = this.places[at] as number;
    this.places[at] = marks & ~USED;
    return (marks & USED) !== 0;
  }

  /** Slides used blocks to the front and drops the others; -1, with all marks cleared, if over `keepMax` are in use. */
  #compact(chunk: number, keepMax: number): number {
    const { frames, places } = this;
    let used = 0;
    for (let f = this.#firstFrame[chunk] as number; f !== 0; ) {
      const at = f * FRAME_WORDS;
      if (((places[f * PLACE_WORDS + PLACE_MARKS] as number) & USED) !== 0)
        used += frames[at + FRAME_BYTES] as number;
      f = frames[at + FRAME_NEXT] as number;
    }
    let to = this.#start + chunk * CHUNK_BYTES;
    const start = to;
    let last = 0;
    for (let f = this.#firstFrame[chunk] as number; f !== 0; ) {
      const at = f * FRAME_WORDS;
      const next = frames[at + FRAME_NEXT] as number;
      const place = f * PLACE_WORDS;
      const marks = places[place + PLACE_MARKS] as number;
      if (used > keepMax) places[place + PLACE_MARKS] = marks & ~USED;
      else if ((marks & USED) === 0) this.#free(f);
      else {
        const from = places[place + PLACE_START] as number;
        const bytes = frames[at + FRAME_BYTES] as number;
        if (from !== to) this.#bytes.copyWithin(to, from, from + bytes);
        places[place + PLACE_START] = to;
        frames[at + FRAME_RESTARTS_AT] = (frames[at + FRAME_RESTARTS_AT] as number) - from + to;
        places[place + PLACE_MARKS] = marks & ~USED;
        frames[at + FRAME_NEXT] = 0;
        if (last === 0) this.#firstFrame[chunk] = f;
        else frames[last * FRAME_WORDS + FRAME_NEXT] = f;
        last = f;
        to += bytes;
      }
      f = next;
    }
    if (used > keepMax) return -1;
    if (last === 0) this.#firstFrame[chunk] = 0;
    this.#lastFrame[chunk] = last;
    return to - start;
  }

  #free(frame: number): void {
    const at = frame * FRAME_WORDS;
    const owner = this.frames[at + FRAME_OWNER] as number;
    if (owner !== 0xffffffff) {
      const slots = this.#slots[owner];
      const block = this.frames[at + FRAME_BLOCK] as number;
      if (slots !== undefined && slots[block] === frame) slots[block] = 0;
      this.blocksHeld--;
      this.bytesHeld -= this.frames[at + FRAME_BYTES] as number;
      this.evictions++;
    }
    this.frames[at + FRAME_NEXT] = this.#freeFrame;
    this.#freeFrame = frame;
  }

  /** Empties a chunk or run; its chunks are then free. */
  #drop(chunk: number): void {
    for (let f = this.#firstFrame[chunk] as number; f !== 0; ) {
      const next = this.frames[f * FRAME_WORDS + FRAME_NEXT] as number;
      this.#free(f);
      f = next;
    }
    this.#firstFrame[chunk] = 0;
    this.#lastFrame[chunk] = 0;
    const chunks = this.#state[chunk] === RUN ? (this.#runChunks[chunk] as number) : 1;
    for (let c = chunk; c < chunk + chunks; c++) this.#state[c] = FREE;
  }

  /** The first run of evictable chunks from the hand on. */
  #reserveRun(chunks: number): number {
    let from = this.#hand;
    for (let turn = 0; turn < 2; turn++) {
      let length = 0;
      for (let c = from; c < this.#usable; c++) {
        const whole = this.#state[c] !== RUN_REST || (length > 0 && c > from);
        const evictable = this.#state[c] === RUN_REST ? whole : this.#evictable(c);
        length = evictable ? length + 1 : 0;
        if (length === chunks) {
          const first = c - chunks + 1;
          for (let d = first; d <= c; d++) if (this.#state[d] !== RUN_REST) this.#drop(d);
          this.#hand = c + 1 >= this.#usable ? 0 : c + 1;
          return this.#start + first * CHUNK_BYTES;
        }
      }
      from = 0;
    }
    return -1;
  }

  #commitRun(chunk: number, chunks: number): void {
    this.#state[chunk] = RUN;
    this.#runChunks[chunk] = chunks;
    this.#state.fill(RUN_REST, chunk + 1, chunk + chunks);
  }
}

function grown(words: Uint32Array): Uint32Array {
  const larger = new Uint32Array(words.length * 2);
  larger.set(words);
  return larger;
}
