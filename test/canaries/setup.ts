/** The same random cases each time, and no shrinking: that a canary is caught is all that is asked. */

import fc from 'fast-check';

fc.configureGlobal({ seed: 1, endOnFailure: true });
