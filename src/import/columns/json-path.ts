/** Paths into a JSON value: `user.id`, `items[0].sku`, `tags.0`; a backslash makes a dot or a bracket part of a name. */

/** A place that some path leads to or through. */
export interface PathNode {
  readonly name: string;
  readonly utf8: Uint8Array;
  /** Among the elements of a list; -1: it names a member only. */
  readonly index: number;
  readonly children: readonly PathNode[];
  /** Of the paths that end here. */
  readonly slots: readonly number[];
}

interface Building {
  readonly name: string;
  readonly children: Map<string, Building>;
  readonly slots: number[];
}

/** The tree of paths; a path without steps is the whole value. @throws TypeError where one is no path */
export function pathTree(paths: readonly (string | number)[]): PathNode {
  const root: Building = { name: '', children: new Map(), slots: [] };
  for (const [slot, path] of paths.entries()) {
    let node = root;
    for (const step of stepsOf(path)) {
      let child = node.children.get(step);
      if (child === undefined) {
        child = { name: step, children: new Map(), slots: [] };
        node.children.set(step, child);
      }
      node = child;
    }
    node.slots.push(slot);
  }
  return built(root);
}

function built({ name, children, slots }: Building): PathNode {
  return {
    name,
    utf8: new TextEncoder().encode(name),
    index: /^(0|[1-9]\d{0,8})$/.test(name) ? Number(name) : -1,
    children: [...children.values()].map(built),
    slots,
  };
}

function stepsOf(path: string | number): string[] {
  if (typeof path === 'number' || path === '') return path === '' ? [] : [String(path)];
  const steps: string[] = [];
  const step = /((?:[^\\.[\]]|\\.)+)|\[(\d+)\]/gsy;
  for (;;) {
    const found = step.exec(path);
    if (found === null) throw new TypeError(`${path} is no path: write user.id or items[0].sku`);
    steps.push(found[2] ?? (found[1] ?? '').replace(/\\(.)/gs, '$1'));
    if (step.lastIndex === path.length) return steps;
    if (path[step.lastIndex] === '.') step.lastIndex++;
    else if (path[step.lastIndex] !== '[') throw new TypeError(`${path} is no path: a dot is missing`);
  }
}
