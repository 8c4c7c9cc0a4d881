/** Checks of what callers give, for JavaScript's sake: a wrong argument is a TypeError that names it. */

import { checkEncodingName } from './encoding.ts';

/** @throws TypeError unless it is an object. */
export function checkOptions(options: unknown, argument = 'options'): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${argument} must be an object`);
}

/** `keyEncoding` and `valueEncoding`, where they are given. */
export function checkEncodings(options: { keyEncoding?: unknown; valueEncoding?: unknown }): void {
  const { keyEncoding, valueEncoding } = options;
  if (keyEncoding !== undefined) checkEncodingName(keyEncoding, 'options.keyEncoding');
  if (valueEncoding !== undefined) checkEncodingName(valueEncoding, 'options.valueEncoding');
}

/** By its shape: a signal may come from another realm. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  const shape = signal as Partial<AbortSignal> | null;
  if (typeof shape?.aborted === 'boolean' && typeof shape.addEventListener === 'function') return;
  throw new TypeError('options.signal must be an AbortSignal');
}

export function checkFlag(value: unknown, argument: string): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new TypeError(`${argument} must be a boolean; got ${value === null ? 'null' : typeof value}`);
}

export function checkCallback(value: unknown, argument: string): void {
  if (value !== undefined && typeof value !== 'function')
    throw new TypeError(`${argument} must be a function`);
}
