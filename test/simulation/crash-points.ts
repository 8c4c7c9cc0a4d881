/**
 * Crashes at every point of the story. The story is told once; before each call of the file system that changes
 * something, an image is taken of the disk and of LMDB's last commit (before each commit LMDB's free space is asked for,
 * so the points lie on both sides of it). Each image is then started from, as several crashes may leave it.
 */

import { expect } from 'vitest';
import { outcomeOf, type TestOptions, type TextDb } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { contentOf, pastContentOf, show, stages } from './crash-stages.ts';
import { DROPPED, INPUTS, type Life, OPTIONS, STEPS } from './crash-story.ts';
import { EVERYTHING, type Fate, NOTHING_UNSYNCED, randomFate } from './disk.ts';
import { type Behaviour, CHANGES, IDEAL } from './file-system.ts';
import type { Image, Machine } from './machine.ts';

export interface CrashPoint {
  readonly image: Image;
  /** Steps of the story that are done, which a crash must not cost. */
  readonly done: number;
  /** Steps that may be done. */
  readonly begun: number;
  /** Of the database after no step, the first, the second … as far as the story is told in the end. */
  readonly versions: readonly number[];
  /** For people: which call comes next. */
  readonly where: string;
}

const STAGES = stages().map(({ content, done }) => ({
  shown: show(content),
  /** Of keyspaces alone. */
  past: show(new Map([...content].filter(([name]) => !name.includes('@')))),
  done,
}));
/** From the step after it on its directory is there, whole, however durable commits are. */
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
  for (const [name, text] of Object.entries(DROPPED)) machine.writeText(text, name);
  const points: CrashPoint[] = [];
  const versions: number[] = [];
  let done = 0;
  let begun = 0;
  const note = (image: Image, where: string): void => {
    const step = STEPS[begun - 1]?.name ?? 'open';
    points.push({ image, done, begun, versions, where: `${step}: before ${where}` });
  };
  const fs = machine.fileSystem(observer(machine, note));
  const db = await machine.open(fs, new SeededRandom(1), { ...OPTIONS, ...options });
  const life: Life = { db, machine, snapshot: undefined };
  versions.push(db.version);
  for (const step of STEPS) {
    begun++;
    await step.act(life);
    done++;
    versions.push(db.version);
  }
  await db.close();
  note(machine.image(), 'nothing more');
  return points;
}

/** What a crash at a point may leave, by places in `STAGES`. */
interface Allowed {
  readonly from: number;
  readonly to: number;
  /** The checkpoint was reported done. */
  readonly checkpoint: boolean;
  /** As of the crash point. */
  readonly versions: readonly number[];
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
  const { done, begun, versions } = point;
  return {
    from: kept ? stageAfter(done) : 0,
    to: stageAfter(begun),
    checkpoint: done > CHECKPOINT,
    versions,
  };
}

/** The first of so many steps done: those behind it are of the step after. */
function stageAfter(steps: number): number {
  return STAGES.findIndex(({ done }) => done === steps);
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
    checkInputs(machine, STAGES[known.to]?.done ?? 0);
    await checkFiles(machine, db);
    if (!again) {
      await checkPast(db, known, seed);
      await resume(machine, db, allowed);
      await goesOn(db);
    }
  } finally {
    await db.close();
  }
  await checkCheckpoint(machine, seed, allowed.checkpoint);
  return images;
}

/** L2: what has the name of the checkpoint is it, whole; what has the name of one that is being made is that, or refused. */
async function checkCheckpoint(machine: Machine, seed: number, isDone: boolean): Promise<void> {
  const outcome = await openedCheckpoint(machine, seed, machine.checkpoint);
  const isThere = machine.disk.directory(machine.checkpoint) !== undefined;
  expect(outcome, 'the checkpoint').toBe(isDone || isThere ? 'whole' : 'NOT_A_DATABASE');
  const partial = await openedCheckpoint(machine, seed, machine.partialCheckpoint);
  expect(['whole', 'NOT_A_DATABASE', 'CORRUPTION'], 'the unfinished checkpoint').toContain(partial);
}

async function openedCheckpoint(machine: Machine, seed: number, dir: string): Promise<string> {
  return outcomeOf(async () => {
    const options = { ...OPTIONS, createIfMissing: false };
    const db = await machine.open(machine.fileSystem(), new SeededRandom(seed), options, dir);
    try {
      expect(show(await contentOf(db))).toBe(STAGES[stageAfter(CHECKPOINT)]?.shown);
      expect((await db.verify({ full: true })).problems).toEqual([]);
    } finally {
      await db.close();
    }
  }).then((outcome) => (outcome === 'ok' ? 'whole' : outcome));
}

/** Which of the stages that are allowed it is; several in a row may have the same content. */
function foundIn(content: string, allowed: Allowed): Allowed {
  const { from, to } = allowed;
  const found = STAGES.flatMap(({ shown }, i) => (shown === content && i >= from && i <= to ? [i] : []));
  const [first] = found;
  if (first !== undefined) return { ...allowed, from: first, to: found.at(-1) ?? first };
  const known = STAGES.findIndex(({ shown }) => shown === content);
  const after = (stage: number): string => {
    const { done = 0 } = STAGES[stage] ?? {};
    const commits = stage - stageAfter(done);
    return `${STEPS[done - 1]?.name ?? 'nothing'}${commits === 0 ? '' : ` and ${commits} more`}`;
  };
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

/** L4: whatever the crash cut short, a past version reads as it was, or is refused. Looks at a few. */
async function checkPast(db: TextDb, { from, versions }: Allowed, seed: number): Promise<void> {
  const { oldestReadableVersion: oldest } = db.stats();
  const { done = 0 } = STAGES[from] ?? {};
  for (const step of new Set([done, Math.max(0, done - 1), seed % (done + 1)])) {
    const version = versions[step] ?? 0;
    const read = () => pastContentOf(db, version);
    if (version < oldest) expect(await outcomeOf(read)).toBe('TOO_OLD');
    else expect(show(await read())).toBe(STAGES[stageAfter(step)]?.past);
  }
}

/** What was cut off in the middle is brought to its end, from wherever it stands. */
async function resume(machine: Machine, db: TextDb, { from, to }: Allowed): Promise<void> {
  const { done = 0, shown } = STAGES[to] ?? {};
  const step = STEPS[done - 1];
  if (step?.resume === undefined || from < stageAfter(done - 1)) return;
  await step.resume(db, machine);
  expect(show(await contentOf(db))).toBe(shown);
  await checkFiles(machine, db);
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
