# `make run` starts everything on a simulated market, `make test` proves it; both set up what is missing.
.PHONY: setup run test fmt lint wasm e2e faults sim fuzz mutants bench fleet
setup: ; @scripts/setup
run: setup ; @node scripts/run.mjs
test: setup ; @scripts/test
fmt: ; @cargo fmt --all
lint: ; @scripts/test lint
wasm: setup ; @scripts/build-edge
e2e: setup ; @scripts/test wasm build e2e
faults: setup ; @scripts/setup faults || echo 'faults: the rows that need it are not run'; node_modules/.bin/node scripts/faults.mjs
sim: ; @node scripts/sim.mjs
fuzz: ; @scripts/setup fuzz && node scripts/fuzz.mjs
mutants: ; @scripts/setup mutants && node scripts/mutants.mjs
bench: setup ; @scripts/setup bench && scripts/build-edge && cargo build --release -p pricecast-origin -p market-sim --bins --examples && node_modules/.bin/node bench/bench.mjs
fleet: setup ; @node_modules/.bin/node scripts/fleet.mjs
