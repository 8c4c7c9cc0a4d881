/**
 * Crashes at every point of the story. The story is told once; before each call of the file system that changes
 * something, an image is taken of the disk and of LMDB's last commit (before each commit LMDB's free space is asked for,
 * so the points lie on both sides of it). Each image is then started from, as several crashes may leave it.
 */

import { expect } from 'vitest';
import type { TestOptions, TextDb } from '../base/database.ts';
import { contentOf, contents, INPUTS, type Life, OPTIONS, STEPS, show } from './crash-story.ts';
import { EVERYTHING, type Fate, NOTHING_UNSYNCED, randomFate } from './disk.ts';
import { type Behaviour, CHANGES, IDEAL } from './file-system.ts';
import type { Image, Machine } from './machine.ts';
import { SeededRandom } from './random.ts';

export interface CrashPoint {
  readonly image: Image;
  /** Steps of the story that are done, which a crash must not cost. */
  readonly done: number;
  /** Steps that may be done. */
  readonly begun: number;
  /** For people: which call comes next. */
  readonly where: string;
}

const CONTENTS = contents().map(show);
/** From the step after it on its directory is there, whole. */
const CHECKPOINT = STEPS.findIndex(({ name }) => name === 'checkpoint');

/** Tells the image at each call to `onPoint`. */
function observer(machine: Machine, onPoint: (image: Image, where: string) => void): Behaviour {
  return {
    ...IDEAL,
    onCall: ({ op, path }) => {
      if (CHANGES.has(op)) onPoint(machine.image(), `${op} ${path.slice(machine.root.length + 1)}`);
      return undefined;
    },
  };
}

export async function tellStory(machine: Machine, options: TestOptions): Promise<CrashPoint[]> {
  for (const [name, entries] of Object.entries(INPUTS)) machine.writeInput(entries, name);
  const points: CrashPoint[] = [];
  let done = 0;
  let begun = 0;
  const note = (image: Image, where: string): void => {
    const step = STEPS[begun - 1]?.name ?? 'open';
    points.push({ image, done, begun, where: `${step}: before ${where}` });
  };
  const fs = machine.fileSystem(observer(machine, note));
  const db = await machine.open(fs, new SeededRandom(1), { ...OPTIONS, ...options });
  const life: Life = { db, machine, snapshot: undefined };
  for (const step of STEPS) {
    begun++;
    await step.act(life);
    done++;
  }
  await db.close();
  note(machine.image(), 'nothing more');
  return points;
}

/** What a crash at a point may leave: contents by their index. */
interface Allowed {
  readonly from: number;
  readonly to: number;
}

export const FATES = ['nothing unsynced is left', 'the process alone dies', 'anything'] as const;
export type FateName = (typeof FATES)[number];

function fateOf(name: FateName, seed: number): Fate {
  if (name === 'nothing unsynced is left') return NOTHING_UNSYNCED;
  if (name === 'the process alone dies') return EVERYTHING;
  return randomFate(new SeededRandom(seed));
}

/** @param durable whether what was done survives more than the end of the process */
export function allowedAt(point: CrashPoint, fate: FateName, durable: boolean): Allowed {
  const kept = durable || fate === 'the process alone dies';
  return { from: kept ? point.done : 0, to: point.begun };
}

/**
 * Starts from the image and checks everything; returns the images taken on the way, with what is allowed after a crash
 * at each of them: once the database is open, what it then showed.
 */
export async function recoverFrom(
  machine: Machine,
  image: Image,
  fate: FateName,
  seed: number,
  allowed: Allowed,
  again = false,
): Promise<{ image: Image; allowed: Allowed; where: string }[]> {
  machine.restart(image, fateOf(fate, seed));
  const images: { image: Image; allowed: Allowed; where: string }[] = [];
  let known = allowed;
  const note = (taken: Image, where: string): void => {
    images.push({ image: taken, allowed: known, where });
  };
  const fs = machine.fileSystem(again ? observer(machine, note) : IDEAL);
  const db = await machine.open(fs, new SeededRandom(seed), OPTIONS);
  try {
    known = foundIn(show(await contentOf(db)), allowed);
    checkInputs(machine, known.to);
    if (allowed.from > CHECKPOINT) expect(machine.names('checkpoint/tables')).not.toEqual([]);
    await checkFiles(machine, db);
    if (!again) await goesOn(db);
  } finally {
    await db.close();
  }
  return images;
}

/** Which of the contents that are allowed it is; several steps in a row may leave the same. */
function foundIn(content: string, { from, to }: Allowed): Allowed {
  const steps = CONTENTS.flatMap((each, i) => (each === content && i >= from && i <= to ? [i] : []));
  const [first] = steps;
  if (first !== undefined) return { from: first, to: steps.at(-1) ?? first };
  const known = CONTENTS.indexOf(content);
  const after = (step: number): string => STEPS[step - 1]?.name ?? 'nothing';
  const what = known < 0 ? content : `the state after "${after(known)}"`;
  throw new Error(`found ${what}, not one of those after "${after(from)}" to "${after(to)}"`);
}

/** L9: an input is taken by its own commit only, and bytes of it are never changed. */
function checkInputs(machine: Machine, found: number): void {
  for (const name of Object.keys(INPUTS)) {
    const step = STEPS.findIndex(({ moves }) => moves?.includes(name));
    if (step >= 0 && step < found) continue;
    expect(machine.isInputIntact(name), `${name} was lost or changed`).toBe(true);
  }
}

async function goesOn(db: TextDb): Promise<void> {
  await db.put('after', 'x');
  expect(await db.get('after')).toBe('x');
}

async function checkFiles(machine: Machine, db: TextDb): Promise<void> {
  // What range deletions hide whole is dropped a moment after the open.
  await machine.schedule.sleep(1000);
  const { problems, tables } = await db.verify({ full: true });
  expect(problems).toEqual([]);
  expect(machine.names('db/tables')).toHaveLength(tables);
  expect(machine.names('db/staging')).toEqual([]);
}
