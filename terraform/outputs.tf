output "edge_url" {
  description = "What clients ask."
  value       = "https://${var.api_hostname}/api/v1/prices"
}

output "origin_urls" {
  description = "ORIGIN_URLS of the environment in wrangler.toml."
  value       = join(",", [for hostname in var.origin_hostnames : "https://${hostname}"])
}

output "tunnels" {
  description = "Each tunnel by name, with its id: one cloudflared runs each."
  value = merge(
    { for tunnel in module.origin_tunnel : tunnel.name => tunnel.id },
    { (module.api_tunnel.name) = module.api_tunnel.id },
  )
}

output "next" {
  description = "The commands that follow, in order."
  value       = <<-EOT
    # 1. On the machine of each origin, with its tunnel's id from `terraform output tunnels`%{if var.delivery != "worker"}, and once more with that of "${module.api_tunnel.name}"%{endif}:
    curl -fsS -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" "https://api.cloudflare.com/client/v4/accounts/${var.account_id}/cfd_tunnel/<tunnel id>/token" | jq -r .result | sudo install -m 600 /dev/stdin /etc/cloudflared/<tunnel name>.token
    sudo systemctl enable --now cloudflared@<tunnel name>
    # 2. In wrangler.toml, below [env.${var.environment}.vars]:
    ORIGIN_URLS = "${join(",", [for hostname in var.origin_hostnames : "https://${hostname}"])}"
    # 3. From the project's folder:
    npx wrangler deploy --env ${var.environment}
    curl -i https://${var.api_hostname}/api/v1/prices
  EOT
}
