/**
 * A client over HTTP whose commits have ids: it reads, and sends what may be committed while that holds to two nodes, at once or one after the
 * other, as who has lost an answer does. Of both one may commit, so in the history it is one transaction: an element that is appended twice, or
 * a value that comes back, is an anomaly there.
 */

import { expect } from 'vitest';
import type { ClientCondition, ClientWrite, ClusterClient } from '../../src/cluster/http/client.ts';
import { isSluiceError } from '../../src/index.ts';
import type { SeededRandom } from '../base/seeded-random.ts';
import { isList, type Operation, type Value } from '../history/history.ts';
import { decode, encode, nowNs, type Recorder } from '../history/recorder.ts';
import { type Names, REGISTERS } from '../history/workload.ts';

/** What a request may be refused with, that is not committed then. */
const REFUSALS = new Set(['CONDITION_FAILED', 'CONFLICT', 'TOO_OLD']);

export class RequestClient {
  readonly #random: SeededRandom;
  readonly #names: Names;
  readonly #recorder: Recorder;
  readonly #name: string;
  /** Of a node each. */
  readonly #nodes: readonly ClusterClient[];
  #requests = 0;
  /** That were committed, and sent to a second node. */
  twice = 0;

  constructor(
    random: SeededRandom,
    names: Names,
    recorder: Recorder,
    name: string,
    nodes: readonly ClusterClient[],
  ) {
    this.#random = random;
    this.#names = names;
    this.#recorder = recorder;
    this.#name = name;
    this.#nodes = nodes;
  }

  async once(): Promise<void> {
    const random = this.#random;
    const keys = [...new Set([random.pick(REGISTERS), random.pick(REGISTERS)])];
    const operations: Operation[] = [];
    const conditions: ClientCondition[] = [];
    const ops: ClientWrite[] = [];
    if (random.chance(0.7)) {
      const list = this.#names.listToAppend(random);
      const found = await this.#read(random.chance(0.6) ? [list, ...keys] : keys);
      for (const [key, value] of found) {
        operations.push({ op: 'get', key, value });
        conditions.push({ key, value: value === undefined ? null : encode(value) });
      }
      if (found.has(list)) {
        const [before, element] = [found.get(list), this.#names.nextNumber()];
        operations.push({ op: 'append', key: list, element, by: 'put' });
        ops.push({ type: 'put', key: list, value: encode([...(isList(before) ? before : []), element]) });
      }
    }
    for (const key of keys) {
      const value = random.chance(0.2) ? undefined : this.#names.nextNumber();
      operations.push({ op: 'write', key, value, by: 'put' });
      ops.push(value === undefined ? { type: 'del', key } : { type: 'put', key, value: encode(value) });
    }
    await this.#recorder.request(operations, () => this.#send({ if: conditions, ops }));
  }

  /** All at one snapshot, which has what was acknowledged before. */
  async #read(keys: readonly string[]): Promise<Map<string, Value>> {
    const beganAt = nowNs();
    const { values, version } = await this.#random
      .pick(this.#nodes)
      .getMany([...keys], { linearizable: true });
    const found = new Map(
      keys.map((key, i): [string, Value] => {
        const value = values[i];
        return [key, value === undefined ? undefined : decode(value.toString())];
      }),
    );
    const gets = [...found].map(([key, value]): Operation => ({ op: 'get', key, value }));
    this.#recorder.answered(gets, version, beganAt);
    return found;
  }

  async #send(batch: Parameters<ClusterClient['commit']>[0]): Promise<number | undefined> {
    const id = `${this.#name}-${this.#requests++}`;
    const [one, other] = this.#two();
    const commit = async (node: ClusterClient): Promise<number | undefined> => {
      try {
        return await node.commit(batch, { id });
      } catch (error) {
        if (isSluiceError(error) && REFUSALS.has(error.code)) return undefined;
        throw error;
      }
    };
    if (this.#random.chance(0.5)) {
      const versions = await Promise.all([commit(one), commit(other)]);
      const committed = versions.filter((version) => version !== undefined);
      // One may be refused before the other finds what it asked for.
      expect(new Set(committed).size).toBeLessThanOrEqual(1);
      if (committed.length === 2) this.twice++;
      return committed[0];
    }
    const first = await commit(one);
    if (first === undefined) return undefined;
    expect(await commit(other)).toBe(first);
    this.twice++;
    return first;
  }

  #two(): readonly [ClusterClient, ClusterClient] {
    const random = this.#random;
    const one = random.pick(this.#nodes);
    return [one, random.pick(this.#nodes.filter((node) => node !== one))];
  }
}
