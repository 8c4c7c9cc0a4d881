/** The order in which commits become visible, and its end. */

import { expect, test } from 'vitest';
import type { Version } from '../../src/mvcc/version.ts';
import { ManifestSlot } from '../../src/txn/manifest-slot.ts';
import { Publication } from '../../src/txn/publication.ts';

function publicationAt(version: number): Publication {
  return new Publication(version as Version);
}

test('whoever waits for a commit to become visible learns that nothing does any more', async () => {
  const publication = publicationAt(7);
  const [earlier, later] = [new ManifestSlot(), new ManifestSlot()];
  publication.take(earlier, 1);
  publication.take(later, 2);
  later.ready = true;
  publication.freeze(new Error('the disk is gone'));
  await expect(earlier.done).rejects.toThrow('the disk is gone');
  await expect(later.done).rejects.toThrow('the disk is gone');
  expect(publication.visible).toBe(7);
});

test('what takes a version after that learns it, too, and the first reason stays', async () => {
  const publication = publicationAt(7);
  publication.freeze(new Error('the disk is gone'));
  publication.freeze(new Error('another'));
  const slot = new ManifestSlot();
  publication.take(slot, 1);
  slot.ready = true;
  publication.drain();
  await expect(slot.done).rejects.toThrow('the disk is gone');
  expect(publication.visible).toBe(7);
});
