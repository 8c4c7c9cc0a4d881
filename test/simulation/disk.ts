/**
 * A disk in memory that knows what is durable. Bytes are durable from the sync of their file on, names from the sync of
 * their directory on. Of all else a crash may take any part:
 *
 * - each sector of 512 bytes is as some write since the last sync left it, or as it was synced, whatever became of its
 *   neighbours and of earlier writes; one of them may be torn at a byte between two such states;
 * - a file's length is any that it had since its last sync;
 * - each name of a directory is as any of the calls since the last sync left it.
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
function changed<T>(changes: readonly Change<T>[] | undefined, state: T): readonly Change<T>[] {
  return [...(changes ?? []), { serial: ++serials, state }];
}

/** Those that a sync which began at this serial number writes, and those that came later. */
function split<T>(changes: readonly Change<T>[], serial: number): [T[], readonly Change<T>[]] {
  const first = changes.findIndex((change) => change.serial > serial);
  const count = first < 0 ? changes.length : first;
  return [changes.slice(0, count).map(({ state }) => state), changes.slice(count)];
}

export class FileNode {
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
    return node;
  }
}

type Entry = FileNode | 'directory';

export class DirectoryNode {
  readonly names = new Map<string, Entry>();
  readonly durable = new Map<string, Entry>();
  /** States since the last sync, oldest first. */
  readonly dirty = new Map<string, readonly Change<Entry | undefined>[]>();

  set(name: string, entry: Entry | undefined): void {
    if (entry === undefined) this.names.delete(name);
    else this.names.set(name, entry);
    this.dirty.set(name, changed(this.dirty.get(name), entry));
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
    };
  }

  /** The names that a crash leaves. */
  survivors(fate: Fate): Map<string, Entry> {
    const left = new Map(this.durable);
    for (const [name, changes] of this.dirty) {
      const [states] = split(changes, serials);
      const chosen = fate.survivor(states.length);
      if (chosen === 0) continue;
      const entry = states[chosen - 1];
      if (entry === undefined) left.delete(name);
      else left.set(name, entry);
    }
    return left;
  }
}

export class Disk {
  readonly #directories = new Map<string, DirectoryNode>();

  /** With one empty directory, which is durable. */
  constructor(root: string) {
    this.#directories.set(normalize(root), new DirectoryNode());
  }

  directory(path: string): DirectoryNode | undefined {
    return this.#directories.get(trimmed(path));
  }

  entry(path: string): Entry | undefined {
    const at = trimmed(path);
    if (this.#directories.has(at)) return 'directory';
    return this.#directories.get(dirname(at))?.names.get(basename(at));
  }

  /** With the directories above it. */
  makeDirectory(path: string): void {
    const at = trimmed(path);
    if (this.#directories.has(at)) return;
    const above = dirname(at);
    if (above === at) throw new Error(`${path} is outside the disk`);
    this.makeDirectory(above);
    this.#directories.get(above)?.set(basename(at), 'directory');
    this.#directories.set(at, new DirectoryNode());
  }

  /** With all that is in it. */
  renameDirectory(from: string, to: string): void {
    const [before, after] = [trimmed(from), trimmed(to)];
    for (const [path, node] of [...this.#directories]) {
      if (path !== before && !path.startsWith(`${before}/`)) continue;
      this.#directories.delete(path);
      this.#directories.set(after + path.slice(before.length), node);
    }
    this.#directories.get(dirname(before))?.set(basename(before), undefined);
    this.#directories.get(dirname(after))?.set(basename(after), 'directory');
  }

  setName(path: string, file: FileNode | undefined): void {
    this.#directories.get(dirname(trimmed(path)))?.set(basename(path), file);
  }

  /** What the next start finds. */
  afterCrash(fate: Fate): Disk {
    const files = new Map<FileNode, FileNode>();
    const fileAfter = (file: FileNode): FileNode => {
      const known = files.get(file) ?? file.afterCrash(fate);
      files.set(file, known);
      return known;
    };
    const [root = ''] = this.#directories.keys();
    const disk = new Disk(root);
    const restore = (path: string): void => {
      const after = disk.#directories.get(path) as DirectoryNode;
      for (const [name, entry] of this.#directories.get(path)?.survivors(fate) ?? []) {
        const kept = entry === 'directory' ? entry : fileAfter(entry);
        after.names.set(name, kept);
        after.durable.set(name, kept);
        if (entry !== 'directory') continue;
        disk.#directories.set(`${path}/${name}`, new DirectoryNode());
        restore(`${path}/${name}`);
      }
    };
    restore(root);
    return disk;
  }

  /** As it is now, to crash later. */
  image(): Disk {
    const files = new Map<FileNode, FileNode>();
    const copied = <E extends Entry | undefined>(entry: E): E => {
      if (!(entry instanceof FileNode)) return entry;
      const known = files.get(entry) ?? entry.image();
      files.set(entry, known);
      return known as E;
    };
    const [root = ''] = this.#directories.keys();
    const disk = new Disk(root);
    for (const [path, { names, durable, dirty }] of this.#directories) {
      const node = new DirectoryNode();
      for (const [name, entry] of names) node.names.set(name, copied(entry));
      for (const [name, entry] of durable) node.durable.set(name, copied(entry));
      for (const [name, changes] of dirty) {
        node.dirty.set(
          name,
          changes.map(({ serial, state }) => ({ serial, state: copied(state) })),
        );
      }
      disk.#directories.set(path, node);
    }
    return disk;
  }

  /** All that is there now is durable. */
  sync(): void {
    for (const directory of this.#directories.values()) {
      directory.beginSync()();
      for (const entry of directory.names.values()) if (entry !== 'directory') entry.beginSync()(undefined);
    }
  }
}

function trimmed(path: string): string {
  const normal = normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
