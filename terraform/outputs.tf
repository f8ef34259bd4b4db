output "edge_url" {
  description = "What clients ask."
  value       = "https://${var.api_hostname}/api/v1/prices"
}

output "origin_urls" {
  description = "ORIGIN_URLS of the environment in wrangler.toml."
  value       = local.origin_urls
}

output "tunnels" {
  description = "Each tunnel by name, with its id: one cloudflared runs each."
  value = merge(
    { for tunnel in module.origin_tunnel : tunnel.name => tunnel.id },
    { (module.api_tunnel.name) = module.api_tunnel.id },
  )
}

output "next" {
  description = "The commands that follow, in order, from a machine that has the API token; an origin's need not."
  value = join("\n", concat(
    ["# 1. To the machine of each origin the token of its tunnel, and start it there:"],
    flatten([for tunnel in values(module.origin_tunnel) : [
      "${local.fetch_token}/${tunnel.id}/token\" | jq -r .result | ssh <${tunnel.name}> sudo install -m 600 /dev/stdin /etc/cloudflared/${tunnel.name}.token",
      "ssh <${tunnel.name}> sudo systemctl enable --now cloudflared@${tunnel.name}",
    ]]),
    var.delivery == "worker" ? [] : [
      "# To every one of them also that of the tunnel which the zone's cache asks:",
      "${local.fetch_token}/${module.api_tunnel.id}/token\" | jq -r .result | ssh <each origin> sudo install -m 600 /dev/stdin /etc/cloudflared/${module.api_tunnel.name}.token",
      "ssh <each origin> sudo systemctl enable --now cloudflared@${module.api_tunnel.name}",
    ],
    [
      "# 2. In wrangler.toml, below [env.${var.environment}.vars]:",
      "ORIGIN_URLS = \"${local.origin_urls}\"",
      "# 3. From the project's folder:",
      "npx wrangler deploy --env ${var.environment}",
      "curl -i https://${var.api_hostname}/api/v1/prices",
      "",
    ],
  ))
}

locals {
  origin_urls = join(",", [for hostname in var.origin_hostnames : "https://${hostname}"])
  fetch_token = "curl -fsS -H \"Authorization: Bearer $CLOUDFLARE_API_TOKEN\" \"https://api.cloudflare.com/client/v4/accounts/${var.account_id}/cfd_tunnel"
}
