# shellcheck shell=bash
# Servers that only some tests use. Without one, its tests are skipped by name; CI installs them.

title_redis() { echo "redis-server (Debian's package)"; }
probe_redis() { have redis-server; }
do_redis() { apt_install redis-server; }
help_redis() { echo "Install Redis 7 by hand; only the tests that start a redis-server of their own need it."; }
