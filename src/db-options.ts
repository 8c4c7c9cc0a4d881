/** Options of `open`: their defaults and their checks. */

import { resolve } from 'node:path';
import { checkEncodingName, type EncodingName } from './base/encoding.ts';
import type { Env } from './base/env/env.ts';
import { cores, nodeEnv } from './base/env/node-env.ts';
import type { Compression } from './ingest/sst-writer.ts';
import type { CompactionSettings } from './txn/compaction-plan.ts';
import type { Logger } from './txn/engine.ts';

/** 'fsync': a commit is on disk when it resolves. 'os': it is with the operating system; a power cut may cost the newest. */
export type Durability = 'fsync' | 'os';

/** When tables are compacted without being asked. */
export type CompactionMode = 'auto' | 'off';

export interface DbOptions<KE extends EncodingName = EncodingName, VE extends EncodingName = EncodingName> {
  /** Open beside a process that writes, or alone, without changing anything. False by default. */
  readonly readOnly?: boolean;
  /** True by default. */
  readonly createIfMissing?: boolean;
  readonly errorIfExists?: boolean;
  /** 'fsync' by default. */
  readonly durability?: Durability;
  /** Size at which a keyspace's memtable is written to a table; 32 MiB. */
  readonly memtableBytes?: number;
  /**
   * For blocks, indexes and filters together; 64 MiB. Where it is less than the indexes and filters of all tables, 1 to 2 % of
   * the data, lookups all over the keys open tables again and again.
   */
  readonly blockCacheBytes?: number;
  /** Of tables that the database writes; 'lz4'. */
  readonly compression?: Compression;
  /** Of tables that the database writes; 4,096. */
  readonly blockBytes?: number;
  /** Of tables that the database writes; 10. */
  readonly filterBitsPerKey?: number;
  /** Tables open at a time; 512. */
  readonly maxOpenTables?: number;
  /** What recent commits wrote, for conflict checks. Beyond it the oldest transaction aborts with TOO_OLD; 64 MiB. */
  readonly conflictWindowBytes?: number;
  /** 'auto' by default; 'off': only when `compactRange` is called. */
  readonly compaction?: CompactionMode;
  /** Tables in level 0 at which they are merged into the level below; 4. Writers are slowed down at five times that. */
  readonly level0Trigger?: number;
  /** Size of the level that level 0 is merged into; 256 MiB. */
  readonly levelBaseBytes?: number;
  /** How many times larger each further level is; 10. */
  readonly levelMultiplier?: number;
  /** Of tables that compaction writes; 64 MiB. */
  readonly targetFileBytes?: number;
  /** Compactions at a time, each in a thread; 2. */
  readonly maxBackgroundWork?: number;
  /** A large compaction is split into so many at most, which run beside each other; as many as there are cores, up to 4. */
  readonly maxSubcompactions?: number;
  /** What compactions may read and write together; 0, the default: no limit. */
  readonly backgroundBytesPerSecond?: number;
  /** Versions that were current within this time are kept, dropped keyspaces too: `snapshot({ at })` reads them; 0. */
  readonly keepHistoryMs?: number;
  /** Versions of a key, newest first and down to its last deletion, that compaction does not drop; 1. */
  readonly keepVersions?: number;
  /** Of the default keyspace, and of others that do not say; 'buffer'. */
  readonly keyEncoding?: KE;
  readonly valueEncoding?: VE;
  /** pino's shape. Silent without one. */
  readonly logger?: Logger;
}

/** For tests: another environment, small segments. */
export interface InternalOptions {
  readonly env?: Env;
  readonly walSegmentBytes?: number;
  /** Compactions run in slices on the main thread; so they do in any case where `env` has another file system. */
  readonly compactionInline?: boolean;
}

export interface Settings {
  readonly dir: string;
  readonly env: Env;
  readonly readOnly: boolean;
  readonly createIfMissing: boolean;
  readonly errorIfExists: boolean;
  readonly durability: Durability;
  readonly memtableBytes: number;
  readonly blockCacheBytes: number;
  readonly compression: Compression;
  readonly blockBytes: number;
  readonly filterBitsPerKey: number;
  readonly maxOpenTables: number;
  readonly conflictWindowBytes: number;
  readonly keyEncoding: EncodingName;
  readonly valueEncoding: EncodingName;
  readonly logger: Logger | undefined;
  readonly walSegmentBytes: number | undefined;
  readonly compactionInline: boolean;
  readonly compaction: CompactionSettings;
}

const MIB = 1 << 20;

const COMPRESSIONS: readonly string[] = ['lz4', 'none', 'snappy', 'zstd'];

export function resolveOptions(dir: unknown, options: DbOptions & InternalOptions): Settings {
  if (typeof dir !== 'string' || dir === '') throw new TypeError('dir must be a non-empty path');
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  const {
    compression = 'lz4',
    compaction = 'auto',
    durability = 'fsync',
    keyEncoding = 'buffer',
    valueEncoding = 'buffer',
  } = options;
  oneOf(compression, COMPRESSIONS, 'compression');
  oneOf(compaction, ['auto', 'off'], 'compaction');
  oneOf(durability, ['fsync', 'os'], 'durability');
  checkLogger(options.logger);
  checkEncodingName(keyEncoding, 'options.keyEncoding');
  checkEncodingName(valueEncoding, 'options.valueEncoding');
  return {
    dir: resolve(dir),
    env: options.env ?? nodeEnv,
    readOnly: flag(options.readOnly, 'readOnly', false),
    createIfMissing: flag(options.createIfMissing, 'createIfMissing', true),
    errorIfExists: flag(options.errorIfExists, 'errorIfExists', false),
    durability,
    memtableBytes: integer(options.memtableBytes, 'memtableBytes', 32 * MIB, 1 << 12, 1 << 30),
    blockCacheBytes: integer(options.blockCacheBytes, 'blockCacheBytes', 64 * MIB, MIB, 3584 * MIB),
    compression,
    blockBytes: integer(options.blockBytes, 'blockBytes', 4096, 64, 16 * MIB),
    filterBitsPerKey: integer(options.filterBitsPerKey, 'filterBitsPerKey', 10, 0, 100),
    maxOpenTables: integer(options.maxOpenTables, 'maxOpenTables', 512, 16, 1_000_000),
    conflictWindowBytes: integer(
      options.conflictWindowBytes,
      'conflictWindowBytes',
      64 * MIB,
      1 << 10,
      2 ** 32,
    ),
    keyEncoding,
    valueEncoding,
    logger: options.logger,
    walSegmentBytes: options.walSegmentBytes,
    compactionInline: options.compactionInline ?? false,
    compaction: compactionSettings(options, compaction === 'auto'),
  };
}

function compactionSettings(options: DbOptions, auto: boolean): CompactionSettings {
  return {
    auto: auto && options.readOnly !== true,
    limits: {
      level0Trigger: integer(options.level0Trigger, 'level0Trigger', 4, 1, 1000),
      levelBaseBytes: integer(options.levelBaseBytes, 'levelBaseBytes', 256 * MIB, 1 << 10, 2 ** 40),
      levelMultiplier: integer(options.levelMultiplier, 'levelMultiplier', 10, 2, 100),
      targetFileBytes: integer(options.targetFileBytes, 'targetFileBytes', 64 * MIB, 1 << 10, 2 ** 34),
    },
    keepHistoryMs: integer(options.keepHistoryMs, 'keepHistoryMs', 0, 0, 2 ** 42),
    keepVersions: integer(options.keepVersions, 'keepVersions', 1, 1, 1_000_000),
    maxWork: integer(options.maxBackgroundWork, 'maxBackgroundWork', 2, 1, 16),
    maxSubcompactions: integer(options.maxSubcompactions, 'maxSubcompactions', Math.min(4, cores()), 1, 64),
    bytesPerSecond: integer(options.backgroundBytesPerSecond, 'backgroundBytesPerSecond', 0, 0, 2 ** 40),
  };
}

function flag(value: unknown, name: string, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value === 'boolean') return value;
  throw new TypeError(`options.${name} must be a boolean; got ${typeof value}`);
}

function integer(value: unknown, name: string, byDefault: number, min: number, max: number): number {
  if (value === undefined) return byDefault;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new TypeError(`options.${name} must be an integer from ${min} to ${max}; got ${String(value)}`);
}

function oneOf(value: unknown, allowed: readonly string[], name: string): void {
  if (typeof value === 'string' && allowed.includes(value)) return;
  throw new TypeError(`options.${name} must be one of ${allowed.join(', ')}; got ${String(value)}`);
}

function checkLogger(logger: unknown): void {
  if (logger === undefined) return;
  const methods = typeof logger === 'object' ? (logger as Partial<Logger> | null) : null;
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    if (typeof methods?.[level] === 'function') continue;
    throw new TypeError(`options.logger must have a method ${level}(fields, message), as pino's have`);
  }
}
