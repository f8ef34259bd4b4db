# shellcheck shell=bash
# Servers, and a library, that only some tests use. Without one, its tests are skipped by name; CI
# installs what `make test` uses.

title_redis() { echo "redis-server (Debian's package)"; }
probe_redis() { have redis-server; }
do_redis() { apt_install redis-server; }
help_redis() { echo "Install Redis 7 by hand; only the tests that start a redis-server of their own need it."; }

title_faketime() { echo "libfaketime (Debian's package)"; }
probe_faketime() { compgen -G '/usr/lib*/*/faketime/libfaketimeMT.so.1' || compgen -G '/usr/lib*/faketime/libfaketimeMT.so.1'; }
do_faketime() { apt_install libfaketime; }
help_faketime() { echo "Install libfaketime by hand; only the fault test that sets the wall clock needs it."; }
