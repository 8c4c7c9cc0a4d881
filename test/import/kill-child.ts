/**
 * The child of the kill test: imports files, or goes on with the import, until it is done or the process is killed.
 *
 *     kill-child.ts DATABASE FILE…
 */

import { open } from '../../src/index.ts';
import { answer } from '../base/child-answers.ts';
import { KILLED_IMPORT } from './killed-import.ts';

const [dir = '', ...files] = process.argv.slice(2);

answer({
  /** Answers once the import has begun; it is not waited for. */
  async begin() {
    const db = await open(dir);
    const task = db.import(files, KILLED_IMPORT);
    void task.done.then(() => db.close());
    return task.id;
  },
});
