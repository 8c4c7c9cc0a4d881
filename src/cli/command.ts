/** What a command is: its arguments declared once, for parsing and for --help alike. */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Io } from './io.ts';

/** Exit codes; they are printed by `sluice --help` and stable. */
export const EXIT_OK = 0;
/** Also: `verify` found damage, `scenario` a difference. */
export const EXIT_NOT_FOUND = 1;
export const EXIT_USAGE = 2;
export const EXIT_ERROR = 3;
/** A bug of ours. */
export const EXIT_BUG = 70;
/** Ended by Ctrl-C, as shells say it. */
export const EXIT_INTERRUPTED = 130;

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** The value's name in --help. */
  readonly value?: string;
  readonly about: string;
  readonly multiple?: boolean;
}

export interface Command {
  /** As typed: 'get', 'sst build'. */
  readonly name: string;
  /** Positional arguments, as --help shows them. */
  readonly usage: string;
  readonly about: string;
  /** More than a line, below the flags. */
  readonly more?: string;
  readonly flags: Readonly<Record<string, Flag>>;
  /** How many positional arguments: at least, at most. */
  readonly positionals: readonly [number, number];
  /** @returns the exit code */
  run(args: Arguments, io: Io): Promise<number>;
}

/** The user's command line is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Parsed arguments, with checks that name the argument. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(positionals: readonly string[], values: Readonly<Record<string, unknown>>) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** A positional argument that must be there. */
  at(index: number, name: string): string {
    const value = this.positionals[index];
    if (value === undefined) throw new UsageError(`${name} is missing`);
    if (value === '') throw new UsageError(`${name} must not be empty`);
    return value;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
    throw new UsageError(`--${name} must be a whole number; got ${JSON.stringify(text)}`);
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((one) => one === text);
    if (choice !== undefined) return choice;
    throw new UsageError(`--${name} must be one of ${choices.join(', ')}; got ${JSON.stringify(text)}`);
  }
}

export const HELP_FLAG: Flag = { type: 'boolean', short: 'h', about: 'show this help' };

export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { type, short, multiple }] of Object.entries({ ...command.flags, help: HELP_FLAG })) {
    options[name] = { type, ...(short && { short }), ...(multiple && { multiple }) };
  }
  let parsed: { positionals: string[]; values: Record<string, unknown> };
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const args = new Arguments(parsed.positionals, parsed.values);
  if (args.flag('help')) return args;
  const [least, most] = command.positionals;
  const count = parsed.positionals.length;
  if (count < least || count > most) {
    const problem = count < least ? 'too few arguments' : `too many arguments: ${parsed.positionals[most]}`;
    throw new UsageError(`${problem}; the command is: sluice ${command.name} ${command.usage}`);
  }
  return args;
}
