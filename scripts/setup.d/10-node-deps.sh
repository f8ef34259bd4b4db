# shellcheck shell=bash
# wrangler, workerd, esbuild, wasm-opt and the Node 22 that wrangler needs, by the lock file.

node_deps_stamp=$root/node_modules/.pricecast-lock

title_node_deps() { echo "npm packages by package-lock.json (wrangler, workerd, wasm-opt, Node 22; ~20 s)"; }

probe_node_deps() {
  [ "$(cat "$node_deps_stamp")" = "$(git hash-object "$root/package-lock.json")" ] &&
    [ -x "$root/node_modules/.bin/wrangler" ] &&
    [ -x "$root/node_modules/.bin/wasm-opt" ] &&
    [ -x "$root/node_modules/.bin/esbuild" ] &&
    "$root/node_modules/.bin/node" -e ''
}

do_node_deps() {
  cd "$root"
  npm ci --loglevel=error
  git hash-object package-lock.json >"$node_deps_stamp"
}

help_node_deps() {
  echo "See that 'npm ping' works from here (behind a proxy: npm config set proxy …) and start again."
  echo "If it says package.json and the lock differ: npm install --package-lock-only"
}
