# What is made of the variables, with a provider that asks nobody: `terraform test`.

mock_provider "cloudflare" {}

variables {
  account_id       = "0123456789abcdef0123456789abcdef"
  zone_id          = "fedcba9876543210fedcba9876543210"
  api_hostname     = "prices.example.com"
  origin_hostnames = ["origin.example.com"]
}

run "the_worker_answers_every_path" {
  assert {
    condition     = module.worker_route.pattern == "prices.example.com/*"
    error_message = "The Worker's route is ${module.worker_route.pattern}."
  }

  assert {
    condition     = length(module.cdn) == 0
    error_message = "No path is taken off the Worker."
  }

  assert {
    condition     = output.origin_urls == "https://origin.example.com"
    error_message = "ORIGIN_URLS is ${output.origin_urls}."
  }

  assert {
    condition     = output.edge_url == "https://prices.example.com/api/v1/prices"
    error_message = "Clients are told ${output.edge_url}."
  }
}

run "each_of_three_origins_has_a_tunnel_and_all_have_one_together" {
  variables {
    origin_hostnames = ["a.example.com", "b.example.com", "c.example.com"]
  }

  assert {
    condition = sort(keys(output.tunnels)) == tolist([
      "pricecast-production-api",
      "pricecast-production-origin-1",
      "pricecast-production-origin-2",
      "pricecast-production-origin-3",
    ])
    error_message = "The tunnels are ${join(", ", keys(output.tunnels))}."
  }

  assert {
    condition     = output.origin_urls == "https://a.example.com,https://b.example.com,https://c.example.com"
    error_message = "ORIGIN_URLS is ${output.origin_urls}."
  }

  assert {
    condition     = alltrue([for name in ["origin-1", "origin-2", "origin-3"] : strcontains(output.next, "cloudflared@pricecast-production-${name}\n")])
    error_message = "Not every origin's tunnel is to be started: ${output.next}"
  }

  assert {
    condition     = !strcontains(output.next, "pricecast-production-api")
    error_message = "Nobody needs the API's tunnel while the Worker delivers: ${output.next}"
  }
}

run "the_rate_limit_counts_prices_and_status" {
  assert {
    condition     = module.rate_limit[0].expression == "(http.request.uri.path in {\"/api/v1/prices\" \"/v1/prices\" \"/api/v1/status\"})"
    error_message = "It counts ${module.rate_limit[0].expression}."
  }
}

run "zero_makes_no_rate_limit" {
  variables {
    rate_limit_per_10_s = 0
  }

  assert {
    condition     = length(module.rate_limit) == 0
    error_message = "There is one."
  }
}

run "a_second_environment_of_a_zone_leaves_its_rules_alone" {
  variables {
    environment = "staging"
    zone_rules  = false
  }

  assert {
    condition     = length(module.rate_limit) == 0 && length(module.cdn) == 0
    error_message = "It makes rules."
  }
}

run "the_cdn_takes_exactly_the_prices_off_the_worker" {
  variables {
    delivery      = "cdn"
    origin_secret = "sixteen-or-more-characters"
  }

  assert {
    condition = module.cdn[0].patterns_without_script == tolist([
      "prices.example.com/api/v1/prices*",
      "prices.example.com/v1/prices*",
    ])
    error_message = "Without a script are ${join(", ", module.cdn[0].patterns_without_script)}."
  }

  assert {
    condition     = module.cdn[0].tiered_cache == "off"
    error_message = "Tiered Cache is ${module.cdn[0].tiered_cache}."
  }

  assert {
    condition = module.cdn[0].astray == join(" or ", [
      for path in ["/api/v1/prices", "/v1/prices"] :
      "(http.host eq \"prices.example.com\" and starts_with(http.request.uri.path, \"${path}\") and not (http.request.uri.path in {\"/api/v1/prices\" \"/v1/prices\"} and http.request.method in {\"GET\" \"HEAD\"}))"
    ])
    error_message = "What matches those routes and is no request for prices is blocked, not ${module.cdn[0].astray}."
  }

  assert {
    condition     = strcontains(output.next, "cloudflared@pricecast-production-api\n") && !strcontains(output.next, var.origin_secret)
    error_message = "The tunnel of the API is to be started, and the secret to be told nowhere."
  }
}

run "with_tiers_the_tiered_cache_is_on" {
  variables {
    delivery      = "tiered-cdn"
    origin_secret = "sixteen-or-more-characters"
  }

  assert {
    condition     = module.cdn[0].tiered_cache == "on"
    error_message = "Tiered Cache is ${module.cdn[0].tiered_cache}."
  }
}
