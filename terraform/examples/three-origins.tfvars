# Three origins that stand in for one another through a Redis near them (store = "redis" in each one's
# pricecast.toml). That Redis is theirs alone: nothing here leads to it.
# Copy it to terraform/production.tfvars (or staging.tfvars) and put in your own.

account_id = "00000000000000000000000000000000"
zone_id    = "00000000000000000000000000000000"

api_hostname = "prices.example.com"
origin_hostnames = [
  "origin-1.example.com",
  "origin-2.example.com",
  "origin-3.example.com",
]

# The zone's cache instead of the Worker (docs/cdn.md), and then TF_VAR_origin_secret in the environment:
# delivery = "cdn"
