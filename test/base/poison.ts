/** In every test, the memory of a memtable that is given up too early shows itself at once to whoever still reads it. */

import { poisonFreeArenas } from '../../src/mvcc/arena-pool.ts';

poisonFreeArenas();
