# The zone's cache serves the prices straight from the origin, without a Worker (docs/cdn.md says what
# that changes for clients). Each ruleset is the zone's only one of its phase.

locals {
  in_paths = "http.request.uri.path in {${join(" ", formatlist("\"%s\"", var.paths))}}"
  # Exactly what is served: method and path.
  prices = "(http.host eq \"${var.hostname}\" and ${local.in_paths})"
  # What the routes without a script also take off the Worker, and must not reach the origin.
  astray = join(" or ", [
    for path in var.paths :
    "(http.host eq \"${var.hostname}\" and starts_with(http.request.uri.path, \"${path}\") and not (${local.in_paths} and http.request.method in {\"GET\" \"HEAD\"}))"
  ])
}

resource "cloudflare_ruleset" "cache" {
  zone_id     = var.zone_id
  name        = "Pricecast cache"
  description = "Prices are cached as the origin says"
  kind        = "zone"
  phase       = "http_request_cache_settings"

  rules = [
    {
      ref         = "pricecast_cache"
      description = "Prices: eligible, by the origin's own headers, whatever the query"
      expression  = local.prices
      action      = "set_cache_settings"

      action_parameters = {
        cache                = true
        edge_ttl             = { mode = "respect_origin" }
        browser_ttl          = { mode = "respect_origin" }
        cache_key            = { custom_key = { query_string = { exclude = { all = true } } } }
        respect_strong_etags = true
      }
    },
  ]
}

# Reaches the origin only. The value is in the state.
resource "cloudflare_ruleset" "origin_secret" {
  zone_id     = var.zone_id
  name        = "Pricecast origin secret"
  description = "The header that opens the origin"
  kind        = "zone"
  phase       = "http_request_late_transform"

  rules = [
    {
      ref         = "pricecast_origin_secret"
      description = "Prices: the header that opens the origin"
      expression  = local.prices
      action      = "rewrite"

      action_parameters = {
        headers = {
          "Pricecast-Origin-Secret" = {
            operation = "set"
            value     = var.origin_secret
          }
        }
      }
    },
  ]
}

resource "cloudflare_ruleset" "firewall" {
  zone_id     = var.zone_id
  name        = "Pricecast firewall"
  description = "What is off the Worker and no request for prices"
  kind        = "zone"
  phase       = "http_request_firewall_custom"

  rules = [
    {
      ref         = "pricecast_astray"
      description = "Like a request for prices, but none"
      expression  = local.astray
      action      = "block"
    },
  ]
}

# Else the zone writes hours into what clients may keep.
resource "cloudflare_zone_setting" "browser_cache_ttl" {
  zone_id    = var.zone_id
  setting_id = "browser_cache_ttl"
  value      = 0
}

# It would switch stale-while-revalidate off.
resource "cloudflare_zone_setting" "always_online" {
  zone_id    = var.zone_id
  setting_id = "always_online"
  value      = "off"
}

resource "cloudflare_argo_tiered_caching" "this" {
  zone_id = var.zone_id
  value   = var.tiered ? "on" : "off"
}

# Smart: one data centre asks for all others.
resource "cloudflare_tiered_cache" "this" {
  zone_id = var.zone_id
  value   = var.tiered ? "on" : "off"

  depends_on = [cloudflare_argo_tiered_caching.this]
}

# Without a script: these take the paths off the Worker, when all the rest is there.
resource "cloudflare_workers_route" "without_script" {
  for_each = toset(var.paths)

  zone_id = var.zone_id
  pattern = "${var.hostname}${each.value}*"

  depends_on = [
    cloudflare_ruleset.cache,
    cloudflare_ruleset.origin_secret,
    cloudflare_ruleset.firewall,
    cloudflare_zone_setting.browser_cache_ttl,
    cloudflare_zone_setting.always_online,
    cloudflare_tiered_cache.this,
  ]
}
