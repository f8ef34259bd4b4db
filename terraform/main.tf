# What Pricecast needs of a Cloudflare zone. The Worker itself is wrangler's: its code, variables and
# secrets are not in here, nor in the state. docs/deploy.md has the order.

locals {
  worker       = "pricecast-${var.environment}"
  prices_paths = ["/api/v1/prices", "/v1/prices"]
}

# One tunnel for each origin, so that the Worker can choose between them.
module "origin_tunnel" {
  source   = "./modules/tunnel"
  for_each = { for index, hostname in var.origin_hostnames : "origin-${index + 1}" => hostname }

  account_id = var.account_id
  zone_id    = var.zone_id
  name       = "pricecast-${var.environment}-${each.key}"
  hostname   = each.value
  service    = var.origin_service
}

# And one that all of them may serve, for the zone's cache, which knows one origin. While the Worker
# delivers nobody needs to run it: its route takes every request for this hostname.
module "api_tunnel" {
  source = "./modules/tunnel"

  account_id = var.account_id
  zone_id    = var.zone_id
  name       = "pricecast-${var.environment}-api"
  hostname   = var.api_hostname
  service    = var.origin_service
}

module "worker_route" {
  source = "./modules/worker_route"

  zone_id  = var.zone_id
  hostname = var.api_hostname
  script   = local.worker
}

module "cdn" {
  source = "./modules/cdn"
  count  = var.delivery == "worker" ? 0 : 1

  zone_id       = var.zone_id
  hostname      = var.api_hostname
  paths         = local.prices_paths
  tiered        = var.delivery == "tiered-cdn"
  origin_secret = var.origin_secret

  # The path is taken off the Worker last, and given back first.
  depends_on = [module.api_tunnel, module.worker_route]
}

module "rate_limit" {
  source = "./modules/rate_limit"
  count  = var.zone_rules && var.rate_limit_per_10_s > 0 ? 1 : 0

  zone_id           = var.zone_id
  paths             = concat(local.prices_paths, ["/api/v1/status"])
  requests_per_10_s = var.rate_limit_per_10_s
}
