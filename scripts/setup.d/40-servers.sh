# shellcheck shell=bash
# Servers, and a library, that only some tests use, and `make bench`. Without one, its tests are skipped
# by name; CI installs what `make test` uses.

title_redis() { echo "redis-server (Debian's package)"; }
probe_redis() { have redis-server; }
do_redis() { apt_install redis-server; }
help_redis() { echo "Install Redis 7 by hand; only the tests that start a redis-server of their own need it."; }

title_faketime() { echo "libfaketime (Debian's package)"; }
probe_faketime() { compgen -G '/usr/lib*/*/faketime/libfaketimeMT.so.1' || compgen -G '/usr/lib*/faketime/libfaketimeMT.so.1'; }
do_faketime() { apt_install libfaketime; }
help_faketime() { echo "Install libfaketime by hand; only the fault test that sets the wall clock needs it."; }

title_wrk() { echo "wrk (Debian's package)"; }
probe_wrk() { have wrk; }
do_wrk() { apt_install wrk; }
help_wrk() { echo "Install wrk by hand: without it nothing can be measured."; }

# Debian puts these where a user's PATH does not look.
have_server() { have "$1" || [ -x "/usr/sbin/$1" ]; }

title_nginx() { echo "nginx (Debian's package)"; }
probe_nginx() { have_server nginx; }
do_nginx() { apt_install nginx-light; }
help_nginx() { echo "Install nginx by hand, or measure without it: node_modules/.bin/node bench/bench.mjs"; }

title_varnish() { echo "Varnish (Debian's package)"; }
probe_varnish() { have_server varnishd; }
do_varnish() { apt_install varnish; }
help_varnish() { echo "Install Varnish by hand, or measure without it: node_modules/.bin/node bench/bench.mjs"; }
