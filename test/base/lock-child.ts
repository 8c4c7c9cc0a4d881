import { acquireLock, type Lock } from '../../src/base/env/lock.ts';
import { answer } from './child-answers.ts';

let lock: Lock | undefined;

answer({
  acquire: (path: string) => {
    lock = acquireLock(path);
  },
  release: () => lock?.release(),
});
