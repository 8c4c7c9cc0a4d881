/** The child's side of `child.ts`; apart from it, since vitest cannot be loaded there. */

export interface Reply {
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly code: unknown };
}

/** In the child: answers each question until the parent goes. */
export function answer(handlers: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  process.on('message', async ([name, ...args]: [string, ...never[]]) => {
    let reply: Reply;
    try {
      reply = { result: await handlers[name]?.(...args) };
    } catch (error) {
      const { message, code } = error as Error & { code: unknown };
      reply = { error: { message, code } };
    }
    process.send?.(reply);
  });
}
