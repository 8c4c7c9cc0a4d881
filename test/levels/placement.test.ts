import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { type Blocker, type Placement, placeTable } from '../../src/levels/placement.ts';
import { type Reservation, Reservations } from '../../src/levels/reservations.ts';
import { Levels } from '../../src/manifest/levels.ts';
import type { TableRow } from '../../src/manifest/rows.ts';
import { table } from '../manifest/rows.ts';
import { keyArbitrary, text } from '../mvcc/entries.ts';

interface KeyBounds {
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
}

function boundsOf(range = ''): KeyBounds {
  const [first = '', last = ''] = range.split('..');
  return { smallest: Buffer.from(first), largest: Buffer.from(last) };
}

const showRange = ({ smallest, largest }: KeyBounds): string => `[${text(smallest)}..${text(largest)}]`;

function showBlocker(blocker: Blocker): string {
  if (blocker.kind === 'table') return `at ${blocker.level} table ${showRange(blocker.table)}`;
  if (blocker.kind === 'earlier') return `at ${blocker.level} earlier ${showRange(blocker.earlier)}`;
  return `at ${blocker.level} ${blocker.reservation.owner} ${showRange(blocker.reservation)}`;
}

function showPlacement({ level, blockers }: Placement): string {
  return `level ${level}${blockers.length > 0 ? `: ${blockers.map(showBlocker).join(', ')}` : ''}`;
}

class Scene {
  #levels = Levels.EMPTY;
  readonly #reservations = new Reservations();
  readonly #held: Reservation[] = [];
  #nextId = 1;

  run(line: string): string | undefined {
    const [command, ...words] = line.split(' ');
    switch (command) {
      case 'reset':
        this.#levels = Levels.EMPTY;
        return undefined;
      case 'add':
        this.#add(Number(words[0]), boundsOf(words[1]));
        return undefined;
      case 'reserve': {
        const { smallest, largest } = boundsOf(words[1]);
        this.#held.push(this.#reservations.reserve(Number(words[0]), smallest, largest, words[2] ?? ''));
        return undefined;
      }
      case 'release':
        for (const held of this.#held.splice(-1)) this.#reservations.release(held);
        return undefined;
      case 'place': {
        const { smallest, largest } = boundsOf(words[0]);
        const placement = placeTable(this.#levels, this.#reservations, smallest, largest);
        this.#add(placement.level, { smallest, largest });
        return showPlacement(placement);
      }
      case 'ingest': {
        const earlier: TableRow[] = [];
        return words
          .map((word) => {
            const bounds = boundsOf(word);
            const { smallest, largest } = bounds;
            const placement = placeTable(this.#levels, this.#reservations, smallest, largest, earlier);
            earlier.push(table(this.#nextId++, { ...bounds, level: placement.level }));
            return showPlacement(placement);
          })
          .join('\n');
      }
      default:
        throw new Error(`placement.txt: what is "${line}"?`);
    }
  }

  #add(level: number, bounds: KeyBounds): void {
    this.#levels = this.#levels.add([table(this.#nextId++, { level, ...bounds })]);
  }
}

describe('placement', () => {
  const scene = new Scene();
  const cases = readFileSync(new URL('./placement.txt', import.meta.url), 'utf8')
    .replace(/^#.*\n/gm, '')
    .split(/\n{2,}/)
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [commands = '', expected = ''] = part.trim().split('\n----\n');
      return [commands, expected] as const;
    });

  // In order: each case goes on from the one before.
  it.each(cases)('%s', (commands, expected) => {
    const outputs = commands.split('\n').map((line) => scene.run(line));
    expect(outputs.filter((output) => output !== undefined).join('\n') || 'ok').toBe(expected);
  });

  it('never lets tables of a level ≥ 1 or a reservation overlap, and takes the lowest level that does not', () => {
    const range = fc.tuple(keyArbitrary, keyArbitrary).map(([a, b]) => {
      return compareBytes(a, b) <= 0 ? { smallest: a, largest: b } : { smallest: b, largest: a };
    });
    fc.assert(
      fc.property(fc.array(fc.record({ range, reserved: fc.boolean() }), { maxLength: 40 }), (steps) => {
        let levels = Levels.EMPTY;
        const reservations = new Reservations();
        const taken: (KeyBounds & { level: number })[] = [];
        for (const [i, { range: bounds, reserved }] of steps.entries()) {
          const { smallest, largest } = bounds;
          const { level, blockers } = placeTable(levels, reservations, smallest, largest);
          const overlaps = (at: number): boolean =>
            taken.some(
              (other) =>
                other.level === at &&
                compareBytes(other.smallest, largest) <= 0 &&
                compareBytes(smallest, other.largest) <= 0,
            );
          let lowest = 6;
          while (lowest > 0 && overlaps(lowest)) lowest--;
          expect(level).toBe(lowest);
          expect(blockers.map((blocker) => blocker.level)).toEqual([6, 5, 4, 3, 2, 1].slice(0, 6 - lowest));
          taken.push({ level, ...bounds });
          if (reserved && level > 0) reservations.reserve(level, smallest, largest, 'test');
          // Levels refuses an overlap by itself.
          else levels = levels.add([table(i + 1, { level, ...bounds })]);
        }
      }),
    );
  });

  it('refuses to reserve what is reserved, and to release twice', () => {
    const reservations = new Reservations();
    const { smallest, largest } = boundsOf('a..c');
    const held = reservations.reserve(3, smallest, largest, 'compaction');
    expect(() => reservations.reserve(3, largest, largest, 'ingest')).toThrow(/ingest reserves/);
    expect(() => reservations.reserve(0, largest, largest, 'ingest')).toThrow(/ingest reserves/);
    reservations.release(held);
    expect(() => reservations.release(held)).toThrow(/released twice/);
    expect(reservations.count).toBe(0);
  });
});
