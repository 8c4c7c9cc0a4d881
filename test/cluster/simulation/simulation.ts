/** The cluster's simulation: its scenarios, and where those are that failed once. */

import { Simulation } from '../../simulation/check.ts';
import { runClusterScenario } from './run.ts';
import { clusterScenario } from './scenario.ts';

export const clusterSimulation = new Simulation({
  saved: 'cluster-simulation',
  scenario: clusterScenario,
  run: runClusterScenario,
});
