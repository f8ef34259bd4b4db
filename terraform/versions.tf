terraform {
  required_version = ">= 1.10"

  required_providers {
    cloudflare = {
      source = "cloudflare/cloudflare"
      # Exactly the one whose schema `make test` holds every name against. Raise both together.
      version = "5.14.0"
    }
  }
}

# Takes the token from CLOUDFLARE_API_TOKEN. What it must be allowed to do: README.md.
provider "cloudflare" {}
