# shellcheck shell=bash
# The standard library for wasm32-unknown-unknown, which the Worker is compiled against.
#
# Ordinary way: rustup's download, into the default toolchain. Where only package registries can be
# reached: Debian's Rust for browsers ("rustc-web", linked as the toolchain `system`), whose std is
# built once from its source package. Only the Worker is built with that one.

# Which of the two the Worker build uses; scripts/env.sh reads it. Empty: the default toolchain.
wasm_toolchain_file=$setup_dir/wasm-toolchain
debian_rust=(rustc-web cargo-web rust-web-src rust-web-llvm lld-22)

title_wasm_std() { echo "Rust's standard library for WebAssembly (rustup ~10 s; by Debian packages ~2 min)"; }

probe_wasm_std() {
  [ -e "$wasm_toolchain_file" ] && compiles_to_wasm "$(cat "$wasm_toolchain_file")"
}

# A compile, since a std left by an older compiler is a std that is there and does not work.
compiles_to_wasm() {
  local out=$setup_dir/wasm-probe
  mkdir -p "$out"
  echo 'pub fn probe() -> String { String::new() }' |
    env ${1:+RUSTUP_TOOLCHAIN="$1"} rustc --target wasm32-unknown-unknown --crate-type lib \
      --crate-name probe --emit metadata --out-dir "$out" -
}

# SETUP_WASM_STD=debian leaves out the ordinary way (to test the other).
do_wasm_std() {
  if [ "${SETUP_WASM_STD:-}" != debian ]; then
    if compiles_to_wasm ""; then
      note "the default toolchain has it already"
      echo -n >"$wasm_toolchain_file"
      return
    fi
    if with_limit 300 rustup target add wasm32-unknown-unknown && compiles_to_wasm ""; then
      note "taken: rustup target add"
      echo -n >"$wasm_toolchain_file"
      return
    fi
    note "rustup could not download it; taking Debian's packages instead"
  fi
  [ -z "$(missing_debian_rust)" ] || apt_install "${debian_rust[@]}"
  rustup run system rustc --version || rustup toolchain link system /usr
  compiles_to_wasm system || build_std_from_source
  echo system >"$wasm_toolchain_file"
  note "taken: Debian's rustc-web, std built from its source"
}

missing_debian_rust() {
  local package
  for package in "${debian_rust[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

build_std_from_source() {
  local crate=$setup_dir/std-crate lib=/usr/lib/rustlib/wasm32-unknown-unknown/lib
  rm -rf "$crate"
  mkdir -p "$crate/src"
  : >"$crate/src/lib.rs"
  printf '[package]\nname = "pricecast-std-build"\nedition = "2024"\n[profile.release]\nlto = "fat"\n[workspace]\n' >"$crate/Cargo.toml"
  # Without embedded bitcode a later `lto = true` fails: "Can't find section .llvmbc".
  (cd "$crate" && CARGO_TARGET_DIR=$crate/target RUSTC_BOOTSTRAP=1 RUSTUP_TOOLCHAIN=system \
    RUSTFLAGS="-Cembed-bitcode=yes" cargo build -Zbuild-std=std,panic_abort,panic_unwind \
    --release --target wasm32-unknown-unknown)
  rm -f "$crate"/target/wasm32-unknown-unknown/release/deps/libpricecast_std_build*
  as_root rm -rf "$lib"
  as_root mkdir -p "$lib"
  as_root cp "$crate"/target/wasm32-unknown-unknown/release/deps/*.rlib "$lib/"
  # What was built against the std this one replaces does not link with it.
  rm -rf "$crate" "$root/target/edge"
}

help_wasm_std() {
  echo "With the internet open: install Rust by https://rustup.rs if 'rustup' is missing, then"
  echo "rustup target add wasm32-unknown-unknown, and start again."
  echo "Without: on Debian 12, as root: apt-get update && apt-get install --no-install-recommends ${debian_rust[*]}"
  echo "(the library is then copied below /usr/lib/rustlib, so start once as root or with sudo)."
}
