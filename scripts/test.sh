#!/usr/bin/env bash
# The test command: sets up what it needs on a fresh machine, runs every check, and ends with "N passed, N failed"
# on a line of its own. Exits 0 only when nothing failed. A check that cannot run counts as failed and says why.
# Right before that line everything that failed is named once more, with the first lines of why.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

ROCKSDB_PACKAGES="rocksdb-tools librocksdb-dev g++"
passed=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=$scratch/failures.txt
touch "$failures"

# check NAME COMMAND…: one check, counted as one.
check() {
  local name=$1 started=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@" 2>&1 | tee "$scratch/output.txt"; then
    passed=$((passed + 1))
    printf -- '-- %s: ok (%d s)\n' "$name" $((SECONDS - started))
    return 0
  fi
  failed=$((failed + 1))
  printf -- '-- %s: FAILED (%d s)\n' "$name" $((SECONDS - started))
  printf '\n%s, which ended with:\n' "$name" >>"$failures"
  tail -n 20 "$scratch/output.txt" | cut -c 1-300 | sed 's/^/    /' >>"$failures"
  return 1
}

finish() {
  if ((failed > 0)); then
    printf '\n== What failed\n'
    cat "$failures"
  fi
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
  exit
}

node_is_new_enough() {
  node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    if (major > 20 || (major === 20 && minor >= 19)) process.exit(0);
    console.error(`Node.js 20.19 or newer is needed; this is ${process.version}`);
    process.exit(1);'
}

install_packages() {
  if [ -d node_modules ] && npm ls >/dev/null 2>&1; then return 0; fi
  npm ci --no-audit --no-fund
}

# --force: one of them asks for a newer Node.js than is needed to link its library.
has_rocksdb() {
  command -v sst_dump >/dev/null && command -v g++ >/dev/null && [ -e /usr/include/rocksdb/db.h ]
}

install_rocksdb() {
  if has_rocksdb; then return 0; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $ROCKSDB_PACKAGES"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $ROCKSDB_PACKAGES >/dev/null
  fi
  if has_rocksdb; then return 0; fi
  echo "RocksDB is missing and could not be installed from here (that takes root on Debian)."
  echo "Install it with: apt-get install $ROCKSDB_PACKAGES"
  echo "Until then the interop checks of test/rocksdb/ do not run, and count as failed."
  return 1
}

# The package would start a service of its own on the ports of etcd: a policy against that, where there is none.
install_etcd() {
  if command -v etcd >/dev/null; then return 0; fi
  local policy=/usr/sbin/policy-rc.d
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing etcd-server"
    export DEBIAN_FRONTEND=noninteractive
    if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; fi
    apt-get update -qq && apt-get install -y -qq --no-install-recommends etcd-server >/dev/null
    if [ -n "$policy" ]; then rm -f "$policy"; fi
  fi
  if command -v etcd >/dev/null; then return 0; fi
  echo "etcd is missing and could not be installed from here (that takes root on Debian)."
  echo "Install it with: apt-get install etcd-server"
  echo "Until then the tests of test/cluster/ that run against it fail."
  return 1
}

# run_vitest NAME [FILTER…]: adds the tests of a vitest run, one by one, to the counts. A test that did not run counts as failed.
run_vitest() {
  local name=$1 counted=$scratch/counts.txt counts status
  shift
  rm -f "$counted"
  printf '\n== %s\n' "$name"
  SLUICE_RUN="$name" SLUICE_COUNTS="$counted" SLUICE_FAILURES="$failures" \
    npx vitest run --reporter=default --reporter=./scripts/count-tests.mjs "$@"
  status=$?
  counts=$(cat "$counted") || counts="0 0"
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  if [ "$status" != 0 ] && [ "${counts#* }" = 0 ]; then
    failed=$((failed + 1))
    printf '\n%s: ended with status %d, and no test has failed\n' "$name" "$status" >>"$failures"
  fi
}

check "Node.js version" node_is_new_enough || finish
check "npm packages" install_packages || finish
check "RocksDB's tools" install_rocksdb
check "etcd" install_etcd
check "lint" npm run -s lint
check "types" npm run -s typecheck
check "build" npm run -s build
# What gains by length, at five times that of `npm test`: 100,000 transactions for the checker of histories, every crash
# point with all that it may leave. And what `npm test` leaves out: the contract and the scenarios on etcd, among others.
LONG_TESTS="test/history/workload test/simulation/crash-points test/crash test/faults/kills test/faults/one-call
  test/exactness test/interleavings test/model/model test/model/threads test/model/ingest-as-puts test/model/past
  test/simulation/simulation test/corruption test/datasets/kill test/fuzz/bombs test/contract
  test/cluster/etcd-access test/cluster/etcd-faults test/cluster/etcd-restored test/cluster/etcd-tokens
  test/cluster/import-kill test/cluster/paused-node test/cluster/scenarios test/cluster/metamorphic
  test/cluster/history test/cluster/simulation"
# The same seeds are drawn by both, so what is run for longer need not be run for a fifth of that before.
others=()
for each in $LONG_TESTS; do others+=(--exclude "$each*" --exclude "$each/**"); done
run_vitest "vitest" "${others[@]}"
# shellcheck disable=SC2086
SLUICE_TEST_LENGTH=5 run_vitest "long tests" $LONG_TESTS
check "canaries" npm run -s canaries
check "publint" npm run -s publint
check "are the types wrong" npm run -s attw
# A seed of its own: what is tried here is the same for everyone; `npm run fuzz` alone takes another one each time.
check "hostile inputs" npm run -s fuzz -- --inputs 200000 --minutes 5 --seed 501963
# Nodes and members of etcd as processes, killed, paused and cut off under load. `npm run cluster-faults -- --minutes 20` goes on for longer.
check "a cluster under faults" npm run -s cluster-faults -- --minutes 3 --seed 1
check "the benchmark runs" npm run -s bench -- --smoke
finish
