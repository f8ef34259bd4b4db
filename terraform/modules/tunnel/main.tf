# A tunnel to the service beside its cloudflared, and the proxied name that leads into it. Outbound
# connections only: the origin's machine opens no port.

variable "account_id" {
  type = string
}

variable "zone_id" {
  type = string
}

variable "name" {
  type = string
}

variable "hostname" {
  type = string
}

variable "service" {
  type = string
}

resource "cloudflare_zero_trust_tunnel_cloudflared" "this" {
  account_id = var.account_id
  name       = var.name
  # Cloudflare keeps the configuration below and makes the token, which therefore is in no state.
  config_src = "cloudflare"
}

resource "cloudflare_zero_trust_tunnel_cloudflared_config" "this" {
  account_id = var.account_id
  tunnel_id  = cloudflare_zero_trust_tunnel_cloudflared.this.id
  source     = "cloudflare"

  config = {
    ingress = [
      {
        hostname = var.hostname
        service  = var.service
      },
      # The last one takes whatever is left, and must be there.
      {
        service = "http_status:404"
      },
    ]
  }
}

resource "cloudflare_dns_record" "this" {
  zone_id = var.zone_id
  name    = var.hostname
  type    = "CNAME"
  content = "${cloudflare_zero_trust_tunnel_cloudflared.this.id}.cfargotunnel.com"
  proxied = true
  # Automatic; a proxied record takes no other.
  ttl     = 1
  comment = "Pricecast, tunnel ${var.name}"
}

output "id" {
  description = "The tunnel, as cloudflared and the API name it."
  value       = cloudflare_zero_trust_tunnel_cloudflared.this.id
}

output "name" {
  value = cloudflare_zero_trust_tunnel_cloudflared.this.name
}
