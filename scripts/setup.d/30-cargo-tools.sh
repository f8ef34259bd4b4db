# shellcheck shell=bash
# Tools compiled for this project, of the versions that fit it: two that make a Worker out of a
# wasm file, one that checks dependencies.

worker_build_version=0.8.7
cargo_deny_version=0.20.2
cargo_nextest_version=0.9.143
cargo_cyclonedx_version=0.5.9

# wasm-bindgen refuses a file made by another version of itself: the lock file decides.
wasm_bindgen_version() {
  awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print; exit }' "$root/Cargo.lock"
}

title_worker_build() { echo "worker-build $worker_build_version, compiled from crates.io (~2-4 min)"; }

probe_worker_build() { [ "$("$setup_dir/bin/worker-build" --version)" = "$worker_build_version" ]; }

do_worker_build() { install_crate worker-build "$worker_build_version" --locked; }

help_worker_build() { help_cargo_tool; }

title_wasm_bindgen() { echo "wasm-bindgen $(wasm_bindgen_version) (download ~5 s; from crates.io ~2-3 min)"; }

probe_wasm_bindgen() {
  [ "$("$setup_dir/bin/wasm-bindgen" --version)" = "wasm-bindgen $(wasm_bindgen_version)" ]
}

do_wasm_bindgen() {
  if download_wasm_bindgen; then
    note "taken: its release archive"
  else
    note "no download; compiling it from crates.io instead"
    # Not --locked: its lock file may name a crate version that a registry mirror does not hold.
    install_crate wasm-bindgen-cli "$(wasm_bindgen_version)"
  fi
  rm -rf "$setup_dir/download"
}

help_wasm_bindgen() { help_cargo_tool; }

title_cargo_nextest() { echo "cargo-nextest $cargo_nextest_version, compiled from crates.io (~6 min)"; }

# One that is there already serves, whatever its version.
probe_cargo_nextest() { PATH="$setup_dir/bin:$PATH" cargo nextest --version; }

do_cargo_nextest() { install_crate cargo-nextest "$cargo_nextest_version" --locked; }

help_cargo_nextest() { help_cargo_tool; }

title_cargo_deny() { echo "cargo-deny $cargo_deny_version, compiled from crates.io (~2 min)"; }

probe_cargo_deny() { [ "$("$setup_dir/bin/cargo-deny" --version)" = "cargo-deny $cargo_deny_version" ]; }

do_cargo_deny() { install_crate cargo-deny "$cargo_deny_version" --locked; }

help_cargo_deny() { help_cargo_tool; }

title_cargo_cyclonedx() { echo "cargo-cyclonedx $cargo_cyclonedx_version, compiled from crates.io (~1 min)"; }

probe_cargo_cyclonedx() {
  [ "$("$setup_dir/bin/cargo-cyclonedx" cyclonedx --version)" = "cargo-cyclonedx-cyclonedx $cargo_cyclonedx_version" ]
}

do_cargo_cyclonedx() { install_crate cargo-cyclonedx "$cargo_cyclonedx_version" --locked; }

help_cargo_cyclonedx() { help_cargo_tool; }

# The archive that worker-build would download by itself (it retries for half a minute when it cannot).
# Chained by &&: called as a condition, it runs without `set -e`.
download_wasm_bindgen() {
  local version target name folder=$setup_dir/download
  version=$(wasm_bindgen_version)
  case "$(uname -sm)" in
    "Linux x86_64") target=x86_64-unknown-linux-musl ;;
    "Linux aarch64") target=aarch64-unknown-linux-musl ;;
    "Darwin x86_64") target=x86_64-apple-darwin ;;
    "Darwin arm64") target=aarch64-apple-darwin ;;
    *) return 1 ;;
  esac
  name=wasm-bindgen-$version-$target
  mkdir -p "$setup_dir/bin" "$folder" &&
    curl --fail --silent --show-error --location --connect-timeout 10 --max-time 120 \
      --output "$folder/$name.tar.gz" \
      "https://github.com/wasm-bindgen/wasm-bindgen/releases/download/$version/$name.tar.gz" &&
    tar -xzf "$folder/$name.tar.gz" -C "$folder" &&
    mv "$folder/$name/wasm-bindgen" "$setup_dir/bin/wasm-bindgen"
}

# install_crate NAME VERSION [cargo's flags]: into the project's own folder, by the default toolchain.
# Little optimised: these tools run for a second, and compiling them so takes half the time. An
# interrupted build goes on where it stopped.
install_crate() {
  local name=$1 version=$2
  shift 2
  env -u RUSTUP_TOOLCHAIN -u RUSTFLAGS \
    CARGO_TARGET_DIR="$setup_dir/build" \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install "$name" --version "$version" --root "$setup_dir" --force "$@"
  rm -rf "$setup_dir/build"
}

help_cargo_tool() {
  echo "If crates.io cannot be reached, see that 'cargo search worker-build' works from here."
  echo "If a linker or cc is missing: install a C compiler (Debian: apt-get install build-essential)."
}
