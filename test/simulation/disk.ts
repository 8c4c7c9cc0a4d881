/**
 * A disk in memory that knows what is durable. Bytes are durable from the sync of their file on, names from the sync of
 * their directory on. Of all else a crash may take any part:
 *
 * - each sector of 512 bytes is as some write since the last sync left it, or as it was synced, whatever became of its
 *   neighbours and of earlier writes; one of them may be torn at a byte between two such states;
 * - a file's length is any that it had since its last sync;
 * - each name of a directory is as any of the calls since the last sync left it. Where directories were renamed in it, all its names
 *   are as after one of those calls, as the journal of a file system has it: a directory is never in two places, nor in none.
 *
 * A failed sync loses what was to be synced for good, as on Linux: the pages are clean then, and the next sync, which
 * succeeds, does not write them.
 */

import { basename, dirname, normalize } from 'node:path';

export const SECTOR_BYTES = 512;

/** What a crash makes of what was not synced. */
export interface Fate {
  /** Which of `count` states since the last sync is left, 1 the oldest; 0: the synced one. */
  survivor(count: number): number;
  /** Of a sector that has a later state: how many of its bytes that one reached; undefined: none. */
  tornAt(bytes: number): number | undefined;
}

/** A loss of power at its worst: nothing that was not synced is left. */
export const NOTHING_UNSYNCED: Fate = { survivor: () => 0, tornAt: () => undefined };

/** The process is killed, the system goes on: nothing is lost. */
export const EVERYTHING: Fate = { survivor: (count) => count, tornAt: () => undefined };

export function randomFate(random: { below(below: number): number; chance(p: number): boolean }): Fate {
  return {
    survivor: (count) => random.below(count + 1),
    tornAt: (bytes) => (random.chance(0.2) ? random.below(bytes + 1) : undefined),
  };
}

/** What one call left, and its place in the order of all calls. */
interface Change<T> {
  readonly serial: number;
  readonly state: T;
}

let serials = 0;

/** Changes since the last sync, oldest first, with one more. */
function changed<T>(
  changes: readonly Change<T>[] | undefined,
  state: T,
  serial = ++serials,
): readonly Change<T>[] {
  return [...(changes ?? []), { serial, state }];
}

/** Those that a sync which began at this serial number writes, and those that came later. */
function split<T>(changes: readonly Change<T>[], serial: number): [T[], readonly Change<T>[]] {
  const first = changes.findIndex((change) => change.serial > serial);
  const count = first < 0 ? changes.length : first;
  return [changes.slice(0, count).map(({ state }) => state), changes.slice(count)];
}

export class FileNode {
  /** Of a file that is really there beside the simulation: its bytes, as of the image. They are never lost. */
  real: Uint8Array | undefined;
  #size = 0;
  /** Whole sectors, never changed in place, so that images share them. Absent: zeros. */
  #sectors = new Map<number, Uint8Array>();
  #durableSize = 0;
  #durableSectors = new Map<number, Uint8Array>();
  /** States since the last sync, oldest first. */
  #dirtySectors = new Map<number, readonly Change<Uint8Array>[]>();
  #dirtySizes: readonly Change<number>[] = [];

  get size(): number {
    return this.#size;
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    const wanted = Math.max(0, Math.min(length, this.#size - position));
    for (let done = 0; done < wanted; ) {
      const at = position + done;
      const offset = at % SECTOR_BYTES;
      const count = Math.min(wanted - done, SECTOR_BYTES - offset);
      const sector = this.#sectors.get((at - offset) / SECTOR_BYTES);
      if (sector === undefined) target.fill(0, start + done, start + done + count);
      else target.set(sector.subarray(offset, offset + count), start + done);
      done += count;
    }
    return wanted;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#size);
    this.read(bytes, 0, this.#size, 0);
    return bytes;
  }

  write(source: Uint8Array, start: number, length: number, position: number): void {
    for (let done = 0; done < length; ) {
      const at = position + done;
      const offset = at % SECTOR_BYTES;
      const count = Math.min(length - done, SECTOR_BYTES - offset);
      const index = (at - offset) / SECTOR_BYTES;
      const sector = Uint8Array.from(this.#sectors.get(index) ?? new Uint8Array(SECTOR_BYTES));
      sector.set(source.subarray(start + done, start + done + count), offset);
      this.#put(index, sector);
      done += count;
    }
    if (length > 0 && position + length > this.#size) this.#resize(position + length);
  }

  truncate(bytes: number): void {
    for (const [index, sector] of this.#sectors) {
      const kept = bytes - index * SECTOR_BYTES;
      if (kept >= SECTOR_BYTES) continue;
      const cut = Uint8Array.from(sector).fill(0, Math.max(0, kept));
      this.#put(index, cut);
    }
    if (bytes !== this.#size) this.#resize(bytes);
  }

  #put(index: number, sector: Uint8Array): void {
    this.#sectors.set(index, sector);
    this.#dirtySectors.set(index, changed(this.#dirtySectors.get(index), sector));
  }

  #resize(bytes: number): void {
    this.#size = bytes;
    this.#dirtySizes = changed(this.#dirtySizes, bytes);
  }

  /** A sync begins; what is written while it runs is not part of it. To be called at its end. */
  beginSync(): (failed: Fate | undefined) => void {
    const serial = serials;
    return (failed) => this.#endSync(serial, failed ?? EVERYTHING);
  }

  #endSync(serial: number, fate: Fate): void {
    for (const [index, changes] of this.#dirtySectors) {
      const [states, later] = split(changes, serial);
      const left = this.#survivor(index, states, fate);
      if (left !== undefined) this.#durableSectors.set(index, left);
      if (later.length > 0) this.#dirtySectors.set(index, later);
      else this.#dirtySectors.delete(index);
    }
    const [sizes, later] = split(this.#dirtySizes, serial);
    this.#durableSize = sizes[fate.survivor(sizes.length) - 1] ?? this.#durableSize;
    this.#dirtySizes = later;
  }

  #survivor(index: number, states: readonly Uint8Array[], fate: Fate): Uint8Array | undefined {
    const chosen = fate.survivor(states.length);
    const state = states[chosen - 1] ?? this.#durableSectors.get(index);
    const next = states[chosen];
    const torn = next === undefined ? undefined : fate.tornAt(SECTOR_BYTES);
    if (next === undefined || torn === undefined) return state;
    const mixed = Uint8Array.from(state ?? new Uint8Array(SECTOR_BYTES));
    mixed.set(next.subarray(0, torn));
    return mixed;
  }

  /** All of it durable. */
  afterCrash(fate: Fate): FileNode {
    const node = new FileNode();
    node.#durableSectors = new Map(this.#durableSectors);
    for (const [index, changes] of this.#dirtySectors) {
      const [states] = split(changes, serials);
      const left = this.#survivor(index, states, fate);
      if (left !== undefined) node.#durableSectors.set(index, left);
    }
    const [sizes] = split(this.#dirtySizes, serials);
    node.#durableSize = sizes[fate.survivor(sizes.length) - 1] ?? this.#durableSize;
    // What lies beyond the length is not there: a file that grows again reads as zeros.
    for (const [index, sector] of node.#durableSectors) {
      const kept = node.#durableSize - index * SECTOR_BYTES;
      if (kept <= 0) node.#durableSectors.delete(index);
      else if (kept < SECTOR_BYTES) node.#durableSectors.set(index, Uint8Array.from(sector).fill(0, kept));
    }
    node.#size = node.#durableSize;
    node.#sectors = new Map(node.#durableSectors);
    node.real = this.real;
    return node;
  }

  image(): FileNode {
    const node = new FileNode();
    node.#size = this.#size;
    node.#sectors = new Map(this.#sectors);
    node.#durableSize = this.#durableSize;
    node.#durableSectors = new Map(this.#durableSectors);
    node.#dirtySectors = new Map(this.#dirtySectors);
    node.#dirtySizes = this.#dirtySizes;
    node.real = this.real;
    return node;
  }
}

type Entry = FileNode | DirectoryNode;

export class DirectoryNode {
  readonly names = new Map<string, Entry>();
  readonly durable = new Map<string, Entry>();
  /** States since the last sync, oldest first. */
  readonly dirty = new Map<string, readonly Change<Entry | undefined>[]>();
  /** Directories were renamed since the last sync: what was changed is lost in the order of the changes. */
  #inOrder = false;

  set(name: string, entry: Entry | undefined, serial?: number): void {
    if (entry === undefined) this.names.delete(name);
    else this.names.set(name, entry);
    this.dirty.set(name, changed(this.dirty.get(name), entry, serial));
  }

  /** A directory in this one, in one step. */
  rename(from: string, to: string): void {
    const entry = this.names.get(from);
    const serial = ++serials;
    this.set(from, undefined, serial);
    this.set(to, entry, serial);
    this.#inOrder = true;
  }

  beginSync(): () => void {
    const serial = serials;
    return () => {
      for (const [name, changes] of this.dirty) {
        const [states, later] = split(changes, serial);
        if (states.length > 0) {
          const last = states.at(-1);
          if (last === undefined) this.durable.delete(name);
          else this.durable.set(name, last);
        }
        if (later.length > 0) this.dirty.set(name, later);
        else this.dirty.delete(name);
      }
      if (this.dirty.size === 0) this.#inOrder = false;
    };
  }

  /** The names that a crash leaves. */
  survivors(fate: Fate): Map<string, Entry> {
    const left = new Map(this.durable);
    const last = this.#inOrder ? this.#lastLeft(fate) : undefined;
    for (const [name, changes] of this.dirty) {
      const [states] = split(changes, last ?? serials);
      const chosen = last === undefined ? fate.survivor(states.length) : states.length;
      if (chosen === 0) continue;
      const entry = states[chosen - 1];
      if (entry === undefined) left.delete(name);
      else left.set(name, entry);
    }
    return left;
  }

  /** The serial number of the last change that is left. */
  #lastLeft(fate: Fate): number {
    const all = new Set([...this.dirty.values()].flatMap((changes) => changes.map(({ serial }) => serial)));
    const chosen = fate.survivor(all.size);
    return [...all].sort((a, b) => a - b)[chosen - 1] ?? 0;
  }

  image(copied: <E extends Entry | undefined>(entry: E) => E): DirectoryNode {
    const node = new DirectoryNode();
    node.#inOrder = this.#inOrder;
    for (const [name, entry] of this.names) node.names.set(name, copied(entry));
    for (const [name, entry] of this.durable) node.durable.set(name, copied(entry));
    for (const [name, changes] of this.dirty) {
      node.dirty.set(
        name,
        changes.map(({ serial, state }) => ({ serial, state: copied(state) })),
      );
    }
    return node;
  }
}

export class Disk {
  readonly #root: string;
  #top = new DirectoryNode();

  /** With one empty directory, which is durable. */
  constructor(root: string) {
    this.#root = normalize(root);
  }

  entry(path: string): Entry | undefined {
    const at = trimmed(path);
    if (at === this.#root) return this.#top;
    if (!at.startsWith(`${this.#root}/`)) return undefined;
    let entry: Entry | undefined = this.#top;
    for (const name of at.slice(this.#root.length + 1).split('/')) {
      if (!(entry instanceof DirectoryNode)) return undefined;
      entry = entry.names.get(name);
    }
    return entry;
  }

  directory(path: string): DirectoryNode | undefined {
    const entry = this.entry(path);
    return entry instanceof DirectoryNode ? entry : undefined;
  }

  /** Paths of all directories, each before those in it. */
  *directories(path = this.#root): Generator<string> {
    yield path;
    for (const [name, entry] of this.directory(path)?.names ?? [])
      if (entry instanceof DirectoryNode) yield* this.directories(`${path}/${name}`);
  }

  /** With the directories above it. */
  makeDirectory(path: string): void {
    const at = trimmed(path);
    if (this.directory(at) !== undefined) return;
    const above = dirname(at);
    if (above === at) throw new Error(`${path} is outside the disk`);
    this.makeDirectory(above);
    this.setName(at, new DirectoryNode());
  }

  /** With all that is in it. */
  renameDirectory(from: string, to: string): void {
    const [before, after] = [trimmed(from), trimmed(to)];
    const parent = this.directory(dirname(before));
    if (dirname(before) !== dirname(after)) throw new Error(`${from} and ${to} are not in one directory`);
    parent?.rename(basename(before), basename(after));
  }

  setName(path: string, entry: Entry | undefined): void {
    const at = trimmed(path);
    this.directory(dirname(at))?.set(basename(at), entry);
  }

  /** What the next start finds. */
  afterCrash(fate: Fate): Disk {
    const known = new Map<Entry, Entry>();
    const after = (entry: Entry): Entry => {
      const there = known.get(entry);
      if (there !== undefined) return there;
      const left = entry instanceof FileNode ? entry.afterCrash(fate) : new DirectoryNode();
      known.set(entry, left);
      if (entry instanceof DirectoryNode && left instanceof DirectoryNode) restore(entry, left);
      return left;
    };
    const restore = (before: DirectoryNode, left: DirectoryNode): void => {
      for (const [name, entry] of before.survivors(fate)) {
        const kept = after(entry);
        left.names.set(name, kept);
        left.durable.set(name, kept);
      }
    };
    const disk = new Disk(this.#root);
    restore(this.#top, disk.#top);
    return disk;
  }

  /** As it is now, to crash later. */
  image(): Disk {
    const known = new Map<Entry, Entry>();
    const copied = <E extends Entry | undefined>(entry: E): E => {
      if (entry === undefined) return entry;
      const there = known.get(entry) ?? (entry instanceof FileNode ? entry.image() : entry.image(copied));
      known.set(entry, there);
      return there as E;
    };
    const disk = new Disk(this.#root);
    disk.#top = copied(this.#top);
    return disk;
  }

  /** All that is there now is durable. */
  sync(): void {
    for (const path of this.directories()) {
      const directory = this.directory(path);
      directory?.beginSync()();
      for (const entry of directory?.names.values() ?? [])
        if (entry instanceof FileNode) entry.beginSync()(undefined);
    }
  }
}

function trimmed(path: string): string {
  const normal = normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
