/** A node of the fleet, as seen from outside: a process that is started, asked, paused and killed, and the ways to and from it. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Reply } from '../../base/child-answers.ts';
import { SmallDisk } from '../../fixtures/small-disk.ts';
import { TcpProxy } from '../../fixtures/tcp-proxy.ts';
import type { Death } from './deaths.ts';
import type { NodeSetup, Run } from './node-process.ts';

const SCRIPT = new URL('./node-process.ts', import.meta.url);
const HOOKS = new URL('../../base/typescript-hooks.mjs', import.meta.url).href;
/** Longer than anything that is right takes on a busy machine. */
const ANSWER_MS = 180_000;
const DISK_SIZE = '192m';

export interface NodeState {
  readonly version: number;
  readonly digest: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class FleetNode {
  readonly name: string;
  readonly dir: string;
  /** To each member of etcd, its own. */
  readonly toEtcd: readonly TcpProxy[];
  /** From its peers. */
  readonly fromPeers: TcpProxy;
  /** Its own, where mounting is allowed. */
  readonly disk: SmallDisk | undefined;
  /** To each of its peers, by the peer's URL. */
  readonly #toPeers = new Map<string, TcpProxy>();
  readonly #setup: NodeSetup;
  #child: ChildProcess | undefined;
  #asking: Promise<unknown> = Promise.resolve();
  #run: Run | undefined;

  private constructor(setup: NodeSetup, toEtcd: readonly TcpProxy[], fromPeers: TcpProxy) {
    this.name = setup.node;
    this.dir = setup.dir;
    this.#setup = setup;
    this.toEtcd = toEtcd;
    this.fromPeers = fromPeers;
    this.disk = SmallDisk.mount(setup.dir, DISK_SIZE);
  }

  static async make(
    node: string,
    root: string,
    cluster: string,
    etcdPorts: readonly number[],
    port: number,
  ): Promise<FleetNode> {
    const toEtcd = await Promise.all(etcdPorts.map((to) => TcpProxy.start(to)));
    const fromPeers = await TcpProxy.start(port);
    const dir = join(root, node, 'data');
    mkdirSync(dir, { recursive: true });
    const setup = {
      node,
      dir,
      cluster,
      etcd: toEtcd.map((proxy) => `https://127.0.0.1:${proxy.port}`),
      port,
      url: `https://127.0.0.1:${fromPeers.port}`,
    };
    return new FleetNode(setup, toEtcd, fromPeers);
  }

  get url(): string {
    return this.#setup.url;
  }

  get toPeers(): readonly TcpProxy[] {
    return [...this.#toPeers.values()];
  }

  /** From here on it reaches the peer through a proxy of its own. */
  async route(peer: FleetNode): Promise<void> {
    const proxy = await TcpProxy.start(peer.fromPeers.port);
    this.#toPeers.set(peer.url, proxy);
    if (this.isUp) await this.ask('route', peer.url, urlOf(proxy));
  }

  async unroute(peer: FleetNode): Promise<void> {
    await this.#toPeers.get(peer.url)?.close();
    this.#toPeers.delete(peer.url);
  }

  get isUp(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What its process has written, from its first life on. */
  get said(): string {
    return readFileSync(`${this.dir}.log`, 'utf8');
  }

  /** Starts its process and opens it; again, as an operator's system would, where etcd or its peers do not answer in time: the machine may be busy. */
  async start(): Promise<void> {
    await whilePassing(
      () => this.#startOnce(),
      () => this.kill(),
    );
  }

  async #startOnce(): Promise<void> {
    const log = openSync(`${this.dir}.log`, 'a');
    const child = fork(SCRIPT, [], { execArgv: ['--import', HOOKS], stdio: ['ignore', log, log, 'ipc'] });
    this.#child = child;
    this.#asking = Promise.resolve();
    running.add(child);
    child.on('exit', () => running.delete(child));
    const routes = [...this.#toPeers].map(([peer, proxy]) => [peer, urlOf(proxy)]);
    await this.ask('open', this.#setup, routes);
  }

  /** Its clients begin, and begin again in each of its lives until `stopClients`. */
  async startClients(run: Run): Promise<void> {
    this.#run = run;
    await this.ask('start', run);
  }

  async stopClients(): Promise<void> {
    this.#run = undefined;
    await this.ask('stop');
  }

  /** A life after one that was ended. */
  async restart(newRun: () => Run): Promise<void> {
    await this.kill();
    await this.start();
    if (this.#run !== undefined) await this.startClients(newRun());
  }

  /** As one that was never there. */
  forget(): void {
    for (const name of readdirSync(this.dir)) rmSync(join(this.dir, name), { recursive: true, force: true });
  }

  /** It kills itself at this point of an ingest. */
  async die(death: Death, calls: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isUp) throw new Error(`${this.name} is not up`);
    const signal = AbortSignal.timeout(ANSWER_MS);
    const exit = once(child, 'exit', { signal });
    // It may end before it answers.
    this.ask('die', death, calls).catch(() => undefined);
    await exit.catch(() => {
      throw new Error(`${this.name} has not come to its end ${death} in ${ANSWER_MS / 1000} s`);
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isUp) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async state(epoch: number): Promise<NodeState> {
    return (await whilePassing(() => this.ask('state', epoch))) as NodeState;
  }

  async marks(epoch: number): Promise<readonly (readonly [string, number])[]> {
    return (await this.ask('marks', epoch)) as [string, number][];
  }

  /** One question at a time. @throws what the node has thrown; or that it ended */
  async ask(...question: unknown[]): Promise<unknown> {
    const answer = this.#asking.then(
      () => this.#askNow(question),
      () => this.#askNow(question),
    );
    this.#asking = answer.catch(() => undefined);
    return await answer;
  }

  /** `keep`: what it has is copied from a disk that goes away. */
  async close(keep = false): Promise<void> {
    await this.kill();
    this.disk?.free();
    if (keep && this.disk !== undefined) cpSync(this.dir, `${this.dir}.kept`, { recursive: true });
    await Promise.all([...this.toEtcd, ...this.toPeers, this.fromPeers].map((proxy) => proxy.close()));
    this.disk?.unmount();
  }

  async #askNow(question: readonly unknown[]): Promise<unknown> {
    const child = this.#child;
    if (child === undefined || !this.isUp)
      throw new Error(`${this.name} is not up; it said:\n${this.said.slice(-3000)}`);
    const stopped = new AbortController();
    const { signal } = stopped;
    const ended = once(child, 'exit', { signal }).then(([code, killedBy]) => {
      throw new Error(`${this.name} ended with ${code ?? killedBy}; it said:\n${this.said.slice(-3000)}`);
    });
    const late = AbortSignal.timeout(ANSWER_MS);
    const answer = once(child, 'message', { signal: AbortSignal.any([signal, late]) });
    child.send([...question]);
    try {
      const [reply] = (await Promise.race([answer, ended])) as [Reply];
      if (reply.error === undefined) return reply.result;
      throw Object.assign(new Error(`${this.name}, asked to ${question[0]}: ${reply.error.message}`), {
        code: reply.error.code,
      });
    } catch (error) {
      if (late.aborted)
        throw new Error(`${this.name} has not answered ${question[0]} in ${ANSWER_MS / 1000} s`);
      throw error;
    } finally {
      stopped.abort();
      answer.catch(() => undefined);
      ended.catch(() => undefined);
    }
  }
}

/** UNAVAILABLE says that something has not answered in time, which may be no more than a machine with much to do. */
async function whilePassing<T>(
  act: () => Promise<T>,
  before: () => Promise<void> = async () => undefined,
): Promise<T> {
  for (const giveUpMs = performance.now() + ANSWER_MS; ; ) {
    try {
      return await act();
    } catch (error) {
      const passes = error instanceof Error && 'code' in error && error.code === 'UNAVAILABLE';
      if (!passes || performance.now() > giveUpMs) throw error;
      await before();
    }
  }
}

function urlOf({ port }: TcpProxy): string {
  return `https://127.0.0.1:${port}`;
}
