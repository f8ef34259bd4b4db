# shellcheck shell=bash
# What the Worker build needs in its environment; sourced by scripts/build-edge.
# RUSTUP_TOOLCHAIN is set only where scripts/setup had to take another compiler for WebAssembly.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export PATH="$root/node_modules/.bin:$setup_dir/bin:$PATH"
export WASM_BINDGEN_BIN="$setup_dir/bin/wasm-bindgen"
export WASM_OPT_BIN="$root/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$root/node_modules/.bin/esbuild"
# Apart from the native build's folder: it may be another compiler.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/edge"

unset RUSTUP_TOOLCHAIN
if [ -s "$setup_dir/wasm-toolchain" ]; then
  RUSTUP_TOOLCHAIN=$(cat "$setup_dir/wasm-toolchain")
  export RUSTUP_TOOLCHAIN
fi
