/**
 * What `using` and `await using` become where Node has neither, as version 20: the compiler declares each resource by `u` or
 * `a`, sets `e` to what was thrown, and calls `d` at the end of the block.
 */

const NOTHING = Symbol('nothing was thrown');

export default function usingContext() {
  const resources = [];
  const context = {
    e: NOTHING,
    u: taking(false),
    a: taking(true),
    d: () => (anyAsync() ? endAsync() : endSync()),
  };
  const anyAsync = () => resources.some(({ isAsync }) => isAsync);

  function taking(isAsync) {
    return (value) => {
      if (value === null || value === undefined) return value;
      const dispose = (isAsync ? value[Symbol.asyncDispose] : undefined) ?? value[Symbol.dispose];
      if (typeof dispose !== 'function') throw new TypeError('the value of `using` cannot be disposed');
      resources.push({ isAsync, end: () => dispose.call(value) });
      return value;
    };
  }

  async function endAsync() {
    for (const { end } of resources.reverse()) {
      try {
        await end();
      } catch (error) {
        fail(error);
      }
    }
    tell();
  }

  function endSync() {
    for (const { end } of resources.reverse()) {
      try {
        end();
      } catch (error) {
        fail(error);
      }
    }
    tell();
  }

  function fail(error) {
    context.e = context.e === NOTHING ? error : new AggregateError([error, context.e], 'both failed');
  }

  function tell() {
    if (context.e !== NOTHING) throw context.e;
  }

  return context;
}
