/** Reading what JSON brought, by the names that it may have: whatever is wrong is told with its place. */

export class Fields {
  readonly path: string;
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #known = new Set<string>();

  /** @throws TypeError unless it is an object */
  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new TypeError(`${path} must be an object; got ${kindOf(value)}`);
    this.path = path;
    this.#object = value as Readonly<Record<string, unknown>>;
  }

  /** What stands there, unchecked; null counts as absent. */
  value(name: string): unknown {
    this.#known.add(name);
    const value = Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
    return value === null ? undefined : value;
  }

  /** Whether it is said, be it by null. */
  says(name: string): boolean {
    this.#known.add(name);
    return Object.hasOwn(this.#object, name);
  }

  names(): readonly string[] {
    return Object.keys(this.#object);
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    throw this.wrong(name, 'a non-empty string', value);
  }

  requiredText(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw this.wrong(name, 'a non-empty string', undefined);
    return text;
  }

  flag(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false', value);
  }

  /** A whole number. */
  count(name: string, least = 0, most = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most)
      return value;
    throw this.wrong(
      name,
      `a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}`,
      value,
    );
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const choice = choices.find((one) => one === value);
    if (choice !== undefined) return choice;
    throw this.wrong(name, `one of ${choices.join(', ')}`, value);
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.value(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrong(name, 'an array', value);
  }

  texts(name: string): readonly string[] | undefined {
    const list = this.list(name);
    if (list?.every((one): one is string => typeof one === 'string' && one !== '')) return list;
    if (list === undefined) return undefined;
    throw this.wrong(name, 'an array of non-empty strings', list);
  }

  objects(name: string): readonly Fields[] | undefined {
    return this.list(name)?.map((one, i) => new Fields(one, `${this.path}.${name}[${i}]`));
  }

  object(name: string): Fields | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : new Fields(value, `${this.path}.${name}`);
  }

  /** What is left is a mistake of whoever wrote it, not something to pass over. @throws TypeError */
  end(): void {
    const unknown = Object.keys(this.#object).find((name) => !this.#known.has(name));
    if (unknown !== undefined)
      throw new TypeError(
        `${this.path}.${unknown} must not be there: no such field; there are ${[...this.#known].join(', ')}`,
      );
  }

  wrong(name: string, what: string, value: unknown): TypeError {
    return new TypeError(`${this.path}.${name} must be ${what}; got ${kindOf(value)}`);
  }
}

/** Never the value itself: it may be a secret. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (value === '') return 'an empty string';
  if (typeof value === 'number') return String(value);
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
