/**
 * The state of a merge, in the memory that `Kernels.mergeEntries` works in. For each run of sorted blocks there is a
 * cursor; those that are not at their end are in a heap by their entries. What stays is staged as records
 * (js-encode-blocks.ts).
 *
 * The merge stops for whatever it cannot do or know, and goes on from there when it is called again.
 */

/** Words of a cursor. */
export const CURSOR_WORDS = 16;
/** The next entry of the block, where its entries end, and the key room, which is as large as the block. */
export const CURSOR_AT = 0;
export const CURSOR_LIMIT = 1;
export const CURSOR_KEY = 2;
/** Of the entry shown: its internal key's bytes, as in the block, and its value. */
export const CURSOR_KEY_LENGTH = 3;
export const CURSOR_VALUE = 4;
export const CURSOR_VALUE_LENGTH = 5;
export const CURSOR_STATUS = 6;
/** Not 0: the value is not in this memory, so the caller has to add the entry. */
export const CURSOR_VALUE_OUTSIDE = 7;
/** Two words: version << 8 | type, the global version applied. */
export const CURSOR_TRAILER = 8;
/** A double, and whether it counts. */
export const CURSOR_GLOBAL_VERSION = 10;
export const CURSOR_HAS_GLOBAL_VERSION = 12;

/** Statuses: an entry is shown; a block was loaded, before its first entry; the block has ended; there is no more. */
export const LOADED = 1;
export const NEEDS_BLOCK = 2;
export const ENDED = 3;

/** Words of the state, which begins at a multiple of 8. */
export const MERGE_WORDS = 42;
/** The heap: offsets of cursors, u32 each. Cursors lie in the order of the runs. */
export const HEAP = 1;
export const HEAP_SIZE = 2;
/** Where the next record goes; at the next a new key asks for another table; where the room ends. */
export const STAGED = 3;
export const STAGE_STOP = 4;
export const STAGE_END = 5;
/** The most bytes of key and value together that a record may have. */
export const RECORD_MAX = 6;
/** Of records staged since it was set to 0; and the internal key of the last of them. */
export const STAGED_ENTRIES = 7;
export const LAST_STAGED = 8;
export const LAST_STAGED_LENGTH = 9;
/** The user key of the last entry seen. */
export const LAST_KEY = 10;
export const LAST_KEY_LENGTH = 11;
/** Not 0: the entry shown is the first of its user key. */
export const IS_NEW_KEY = 13;
/** Set to 1 by the caller: the entry shown goes to the table there is now. */
export const TAKEN = 15;
/** Not 0: there is no table yet. */
export const NO_TABLE = 16;
/** The largest key of a table of the level below: a new key after it asks. 0: none. */
export const GRANDPARENT = 17;
export const GRANDPARENT_LENGTH = 18;
/** From this key on, range deletions may cover other keys than before it. 0: none. */
export const EDGE = 19;
export const EDGE_LENGTH = 20;
/** Not 0: a range deletion may cover keys before the edge. */
export const COVERED_MAYBE = 21;
/** Answers to ASK_COVERED and ASK_OUTSIDE about the entry shown. */
export const COVERED_ANSWER = 22;
export const OUTSIDE_ANSWER = 23;
export const ANSWER_NO = 1;
export const ANSWER_YES = 2;
/** Not 0: sources outside the inputs may hold older versions. */
export const HAS_OUTSIDE = 24;
/** GarbageRule's readers, doubles, the horizon last. */
export const READERS = 25;
export const READER_COUNT = 26;
export const KEEP_VERSIONS = 27;
export const HELD_BACK = 30;
/** Of ASK_COVERED: which reader. */
export const PLACE = 31;
/** Set to 1 by the caller: it has added the entry shown itself. */
export const IS_ADDED = 32;
/** A double. */
export const ENTRIES_READ = 36;
/** Keys before the one are skipped, and at the other the merge ends. 0: none. */
export const FROM = 38;
export const FROM_LENGTH = 39;
export const TO = 40;
export const TO_LENGTH = 41;

/** Why `mergeEntries` returns. About the entry of the cursor on top of the heap, unless it is MERGED. */
export const MERGED = 0;
/** Its block has ended. */
export const NEXT_BLOCK = 1;
/** There is no room for a record. */
export const STAGE_FULL = 2;
/** A table has to be found for it. */
export const ASK_TABLE = 3;
/** It is none that can be staged, so the caller has to add it. */
export const UNSTAGEABLE = 4;
/** Does a range deletion cover it, for the reader? */
export const ASK_COVERED = 5;
/** May something outside the inputs hold an older version of its key? */
export const ASK_OUTSIDE = 6;
/** Its key is at or after the edge. */
export const AT_EDGE = 7;
/** Its key is before the last one. */
export const NOT_SORTED = 8;
