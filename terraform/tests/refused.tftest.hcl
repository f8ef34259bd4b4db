# What is refused before anything is asked of Cloudflare.

mock_provider "cloudflare" {}

variables {
  account_id       = "0123456789abcdef0123456789abcdef"
  zone_id          = "fedcba9876543210fedcba9876543210"
  api_hostname     = "prices.example.com"
  origin_hostnames = ["origin.example.com"]
}

run "an_account_by_its_name" {
  command = plan

  variables {
    account_id = "example"
  }

  expect_failures = [var.account_id]
}

run "a_zone_by_its_name" {
  command = plan

  variables {
    zone_id = "example.com"
  }

  expect_failures = [var.zone_id]
}

run "a_fourth_origin" {
  command = plan

  variables {
    origin_hostnames = ["a.example.com", "b.example.com", "c.example.com", "d.example.com"]
  }

  expect_failures = [var.origin_hostnames]
}

run "no_origin" {
  command = plan

  variables {
    origin_hostnames = []
  }

  expect_failures = [var.origin_hostnames]
}

run "an_origin_with_the_name_of_the_api" {
  command = plan

  variables {
    origin_hostnames = ["prices.example.com"]
  }

  expect_failures = [var.origin_hostnames]
}

run "an_unknown_delivery" {
  command = plan

  variables {
    delivery = "CDN"
  }

  expect_failures = [var.delivery]
}

run "the_cdn_without_the_secret" {
  command = plan

  variables {
    delivery = "cdn"
  }

  expect_failures = [var.origin_secret]
}

run "the_cdn_with_a_secret_that_no_origin_takes" {
  command = plan

  variables {
    delivery      = "cdn"
    origin_secret = "fifteen-letters"
  }

  expect_failures = [var.origin_secret]
}

run "a_secret_that_would_only_lie_in_the_state" {
  command = plan

  variables {
    origin_secret = "sixteen-or-more-characters"
  }

  expect_failures = [var.origin_secret]
}

run "the_cdn_without_the_zone_s_rules" {
  command = plan

  variables {
    delivery      = "cdn"
    origin_secret = "sixteen-or-more-characters"
    zone_rules    = false
  }

  expect_failures = [var.zone_rules]
}

run "part_of_a_request" {
  command = plan

  variables {
    rate_limit_per_10_s = 0.5
  }

  expect_failures = [var.rate_limit_per_10_s]
}

run "an_environment_that_wrangler_does_not_know_by_that_name" {
  command = plan

  variables {
    environment = "Production"
  }

  expect_failures = [var.environment]
}
