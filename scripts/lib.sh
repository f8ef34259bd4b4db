# shellcheck shell=bash
# Shared by the scripts in this folder: where things are, and how a step speaks to its reader.
# Sourced, never run. Bash 3.2 is enough (macOS ships no newer one).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Tools built for this project only. CI points it outside the clone, to keep it between runs.
setup_dir=${SETUP_DIR:-$root/.setup}

# Steps send their own output to a log; what the user should read goes to descriptor 3.
exec 3>&1

say() { printf '%s\n' "$*" >&3; }
note() { say "         $*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# with_limit SECONDS COMMAND...: a host that answers nothing must not hold up the set-up.
with_limit() {
  local seconds=$1
  shift
  if have timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

# One hash over the paths on standard input, their contents and their names.
hash_files() {
  local list
  list=$(LC_ALL=C sort)
  { printf '%s\n' "$list"; printf '%s\n' "$list" | git hash-object --stdin-paths; } | git hash-object --stdin
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
  have apt-get || { echo "apt-get is not on this machine"; return 1; }
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}
