/** Of all scenarios, to see that they are worth running. */

export const counts = {
  scenarios: 0,
  lives: 0,
  crashes: 0,
  halts: 0,
  badDisks: 0,
  commits: 0,
  unknown: 0,
  bootstraps: 0,
  trims: 0,
  /** With too many unknown outcomes to go through all that may have been. */
  unexplored: 0,
};
