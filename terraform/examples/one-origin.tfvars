# One origin, the Worker in front of it. Copy it to terraform/production.tfvars (or staging.tfvars) and put in your own.

account_id = "00000000000000000000000000000000"
zone_id    = "00000000000000000000000000000000"

api_hostname     = "prices.example.com"
origin_hostnames = ["origin.example.com"]
