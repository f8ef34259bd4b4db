variable "account_id" {
  description = "The Cloudflare account: 32 hexadecimal digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.account_id))
    error_message = "account_id is 32 hexadecimal digits; `npx wrangler whoami` shows it."
  }
}

variable "zone_id" {
  description = "The zone that the hostnames are in: 32 hexadecimal digits, on its overview page."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{32}$", var.zone_id))
    error_message = "zone_id is 32 hexadecimal digits; the zone's overview page shows it."
  }
}

variable "environment" {
  description = "The environment of wrangler.toml whose Worker answers: pricecast-<environment>."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[a-z0-9-]{1,32}$", var.environment))
    error_message = "environment is 1 to 32 of a-z, 0-9 and \"-\", as in wrangler.toml, e.g. \"staging\"."
  }
}

variable "api_hostname" {
  description = "What clients ask, e.g. \"prices.example.com\"."
  type        = string
}

variable "origin_hostnames" {
  description = "One hostname for each origin, one to three. The Worker's ORIGIN_URLS are these with https:// before them."
  type        = list(string)

  validation {
    condition     = length(var.origin_hostnames) >= 1 && length(var.origin_hostnames) <= 3
    error_message = "origin_hostnames lists one to three origins: the Worker knows no more."
  }

  validation {
    condition     = length(distinct(concat(var.origin_hostnames, [var.api_hostname]))) == length(var.origin_hostnames) + 1
    error_message = "Each origin has a hostname of its own, other than api_hostname."
  }
}

variable "origin_service" {
  description = "Where the origin listens, seen from cloudflared on the same machine (http.listen)."
  type        = string
  default     = "http://127.0.0.1:8080"
}

variable "delivery" {
  description = "Who serves the prices: \"worker\", or the zone's cache, \"cdn\" and \"tiered-cdn\". The origin's http.delivery says the same."
  type        = string
  default     = "worker"

  validation {
    condition     = contains(["worker", "cdn", "tiered-cdn"], var.delivery)
    error_message = "delivery is \"worker\", \"cdn\" or \"tiered-cdn\", as the origin's http.delivery."
  }
}

variable "origin_secret" {
  description = "One of the origin's access.secrets, for delivery by the zone's cache only: the zone then sends it, and it is in the state. Give it as TF_VAR_origin_secret."
  type        = string
  sensitive   = true
  default     = null

  validation {
    condition     = var.delivery == "worker" ? var.origin_secret == null : try(length(var.origin_secret) >= 16, false)
    error_message = "With delivery \"cdn\" or \"tiered-cdn\" origin_secret is needed, 16 characters at least: set TF_VAR_origin_secret. With \"worker\" leave it out, it would only be in the state: `wrangler secret put` tells it to the Worker."
  }
}

variable "zone_rules" {
  description = "Whether this state holds the zone's rules (rate limit, cache, transform, firewall). A zone has one list of each: where another state holds them, say false."
  type        = bool
  default     = true

  validation {
    condition     = var.zone_rules || var.delivery == "worker"
    error_message = "Delivery by the zone's cache needs the zone's rules: zone_rules = true, in the one state of this zone that holds them."
  }
}

variable "rate_limit_per_10_s" {
  description = "Requests for prices or the status from one address within 10 s, in one data centre, before it is refused for 10 s. A phone makes 4 to 10; thousands may share an address. 0 makes no rule."
  type        = number
  default     = 2000

  validation {
    condition     = var.rate_limit_per_10_s >= 0 && floor(var.rate_limit_per_10_s) == var.rate_limit_per_10_s
    error_message = "rate_limit_per_10_s is a whole number of requests; 0 makes no rule."
  }
}
