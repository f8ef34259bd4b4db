# The Worker takes every path of the hostname. A route, not a custom domain: from a route a more
# specific one can take a path away (module cdn).

variable "zone_id" {
  type = string
}

variable "hostname" {
  type = string
}

variable "script" {
  description = "The Worker, which wrangler has deployed before."
  type        = string
}

resource "cloudflare_workers_route" "every_path" {
  zone_id = var.zone_id
  pattern = "${var.hostname}/*"
  script  = var.script
}

output "pattern" {
  value = cloudflare_workers_route.every_path.pattern
}
