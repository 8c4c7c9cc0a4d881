/** A node of a cluster, as a process that kinds/cluster.mjs starts and asks. */

import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openCluster } from '../../dist/cluster/index.js';
import { generator, keyOf, makeValues, slices, VALUE_BYTES } from '../data.mjs';
import { quantile, seconds } from '../meter.mjs';

const TOKEN = 'a-token-of-the-benchmark';
const VALUES = 1000;
const READ_PAUSE_MS = 1;
const valueAt = slices(makeValues(VALUES), VALUE_BYTES);
let db;
let dir;
const received = [];
let reading;

/** `clients` callers, each with one call under way, for `ms`. */
async function drive(clients, ms, call) {
  const latencies = [];
  const started = performance.now();
  const client = async () => {
    while (performance.now() - started < ms) {
      const before = performance.now();
      await call();
      latencies.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return {
    rate: latencies.length / seconds(started),
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

const random = generator(11);
let next = 0;
const put = () => db.put(keyOf(random() * 100), valueAt(next++ % VALUES));

const handlers = {
  open: async ({ dir: root, node, etcd }) => {
    dir = root;
    db = await openCluster({
      dir: join(root, 'node'),
      cluster: 'bench',
      node,
      token: TOKEN,
      etcd: { hosts: etcd },
    });
  },
  commits: ({ clients, ms }) => drive(clients, ms, put),
  /** Each reads a key, and puts another value there. */
  transactions: ({ clients, ms }) =>
    drive(clients, ms, () =>
      db.transaction(async (txn) => {
        const key = keyOf(random() * 100);
        await txn.get(key);
        txn.put(key, valueAt(next++ % VALUES));
      }),
    ),
  /** As many commits as are asked for. */
  load: async ({ commits, clients }) => {
    let left = commits;
    const client = async () => {
      while (left-- > 0) await put();
    };
    await Promise.all(Array.from({ length: clients }, client));
  },
  /** The same bytes as a put of ours, one request each, by the client that the log uses. */
  rawPuts: async ({ clients, ms, etcd }) => {
    const { Etcd3 } = await import('etcd3');
    const client = new Etcd3({ hosts: etcd });
    const key = () => Buffer.from(keyOf(random() * 100)).toString('latin1');
    const answer = await drive(clients, ms, () =>
      client
        .put(key())
        .value(Buffer.from(valueAt(next++ % VALUES)))
        .exec(),
    );
    client.close();
    return answer;
  },
  ingest: async ({ files }) => {
    await db.ingest(files, { mode: 'link' });
  },
  caughtUp: () => db.caughtUp(),
  /** Reads of one key after another, a millisecond apart, until `endReads`: the p99 of a read, and of how late it began, in ms. */
  startReads: () => {
    let isOver = false;
    const latencies = [];
    const delays = [];
    const ended = (async () => {
      while (!isOver) {
        const before = performance.now();
        await db.get(keyOf(random() * 100));
        const after = performance.now();
        latencies.push(after - before);
        await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS));
        delays.push(performance.now() - after - READ_PAUSE_MS);
      }
      return { p99Ms: quantile(latencies, 0.99), lateP99Ms: quantile(delays, 0.99) };
    })();
    reading = { stop: () => (isOver = true), ended };
  },
  endReads: () => {
    reading.stop();
    return reading.ended;
  },
  /** The port of one that writes what comes to disk, durably, before it ends the connection. */
  receive: () =>
    new Promise((resolve) => {
      const server = createServer({ allowHalfOpen: true }, async (socket) => {
        const path = join(dir, `received-${received.length}`);
        received.push(path);
        await pipeline(socket, createWriteStream(path), { end: true });
        const file = await open(path, 'r+');
        await file.datasync();
        await file.close();
        socket.end();
        server.close();
      }).listen(0, '127.0.0.1', () => resolve(server.address().port));
    }),
  send: async ({ files, ports }) => {
    await Promise.all(
      ports.map(async (port) => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        for (const file of files)
          for await (const chunk of createReadStream(file))
            if (!socket.write(chunk)) await once(socket, 'drain');
        const ended = new Promise((resolve) => socket.on('end', resolve).resume());
        socket.end();
        await ended;
      }),
    );
  },
  close: () => db.close(),
};

process.on('message', async ([name, question]) => {
  try {
    process.send({ result: await handlers[name](question) });
  } catch (error) {
    process.send({ error: error.stack });
  }
});
process.on('disconnect', () => process.exit(0));
