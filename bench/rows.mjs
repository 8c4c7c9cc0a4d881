/** What the numbers of a case's answer are, and what they should be. */

/** `targets`: by how much SluiceDB is to be ahead of which engine, and `atMost` and `atLeast`, which bind its own figure. */
const row = (unit) => (label, targets) => ({ label, unit, targets: targets ?? {} });
export const rate = row('rate');
export const ms = row('ms');
export const us = row('us');
export const factor = row('factor');
export const megabytes = row('MB');
export const megabytesPerSecond = row('MB/s');
export const bytes = row('B');

export const millions = (n) => (n >= 1e6 ? `${+(n / 1e6).toFixed(1)} M` : n.toLocaleString('en'));
