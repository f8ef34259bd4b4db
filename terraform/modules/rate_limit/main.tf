# Requests over the limit are refused before the Worker is asked, and paid for. The one rule a Free
# zone may have, in the form it may have it: by path, over 10 s, for 10 s, with the plain answer.

variable "zone_id" {
  type = string
}

variable "paths" {
  type = list(string)
}

variable "requests_per_10_s" {
  type = number
}

resource "cloudflare_ruleset" "this" {
  zone_id     = var.zone_id
  name        = "Pricecast rate limit"
  description = "Requests by one address in one data centre"
  kind        = "zone"
  phase       = "http_ratelimit"

  rules = [
    {
      ref         = "pricecast_rate_limit"
      description = "More than ${var.requests_per_10_s} requests in 10 s"
      expression  = "(http.request.uri.path in {${join(" ", formatlist("\"%s\"", var.paths))}})"
      action      = "block"

      ratelimit = {
        characteristics     = ["ip.src", "cf.colo.id"]
        period              = 10
        requests_per_period = var.requests_per_10_s
        mitigation_timeout  = 10
      }
    },
  ]
}

output "expression" {
  value = cloudflare_ruleset.this.rules[0].expression
}
