#!/usr/bin/env bash
# The demo on a fresh machine: installs what is missing, builds, and tells the story. Exits 0 only when all its claims hold.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1);'; then
  echo "Node.js 20.19 or newer is needed" >&2
  exit 1
fi
if [ ! -d node_modules ] || ! npm ls >/dev/null 2>&1; then
  npm ci --no-audit --no-fund
fi
npm run --silent build
node dist/cli/demo.js
