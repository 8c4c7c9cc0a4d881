/** What can be told of a format's options before a source is seen, so that a wrong one is a TypeError of the call. */

import { unreachable } from '../../base/assert.ts';
import { checkExtraction, planExtraction } from '../columns/extraction-plan.ts';
import { pathTree } from '../columns/json-path.ts';
import { DelimitedSettings } from './delimited-settings.ts';
import type { FormatSpec } from './format-spec.ts';

/** The spec itself. @throws TypeError naming the option that is wrong */
export function checkedFormat(spec: FormatSpec): FormatSpec {
  switch (spec.format) {
    case 'csv':
    case 'tsv':
    case 'text':
      new DelimitedSettings(spec);
      return spec;
    case 'jsonl':
      pathTree(planExtraction(spec, { names: undefined, source: 'JSON Lines' }).columns);
      return spec;
    case 'parquet':
      checkExtraction(spec);
      if (typeof spec.value === 'object' && spec.value.as === 'raw')
        throw new TypeError('options.value must not be raw: a row of a Parquet file has no form of its own');
      return spec;
    case 'sequencefile':
    case 'sst':
    case 'entries':
      return spec;
    default:
      return unreachable(spec);
  }
}
