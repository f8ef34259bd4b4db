output "patterns_without_script" {
  value = sort([for route in cloudflare_workers_route.without_script : route.pattern])
}

output "tiered_cache" {
  value = cloudflare_tiered_cache.this.value
}

output "astray" {
  value = local.astray
}
