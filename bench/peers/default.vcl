# A copy is fresh for a second, and for four more served while a new one is fetched behind it.
vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "ORIGIN_PORT"; }
sub vcl_backend_response {
  set beresp.ttl = 1s;
  set beresp.grace = 4s;
}
