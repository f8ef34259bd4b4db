# shellcheck shell=bash
# What `make fuzz` and `make mutants` need; installed when they are called, by nothing else.

cargo_fuzz_version=0.13.2
cargo_mutants_version=27.1.0

title_cargo_fuzz() { echo "cargo-fuzz $cargo_fuzz_version, compiled from crates.io (~1 min)"; }

probe_cargo_fuzz() { [ "$("$setup_dir/bin/cargo-fuzz" --version)" = "cargo-fuzz $cargo_fuzz_version" ]; }

do_cargo_fuzz() { install_crate cargo-fuzz "$cargo_fuzz_version" --locked; }

help_cargo_fuzz() { help_cargo_tool; }

# Coverage is recorded by instrumentation that only a nightly compiler puts in.
title_nightly() { echo "a nightly toolchain (rustup ~1 min)"; }

probe_nightly() { rustc +nightly --version; }

do_nightly() { with_limit 600 rustup toolchain install nightly --profile minimal; }

help_nightly() {
  echo "Install one by hand: rustup toolchain install nightly --profile minimal"
  echo "(Rust from rustup is needed: a distribution's own rustc knows no '+nightly'.)"
}

title_cargo_mutants() { echo "cargo-mutants $cargo_mutants_version, compiled from crates.io (~2 min)"; }

probe_cargo_mutants() {
  [ "$("$setup_dir/bin/cargo-mutants" mutants --version)" = "cargo-mutants $cargo_mutants_version" ]
}

do_cargo_mutants() { install_crate cargo-mutants "$cargo_mutants_version" --locked; }

help_cargo_mutants() { help_cargo_tool; }
