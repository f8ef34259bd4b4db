variable "zone_id" {
  type = string
}

variable "hostname" {
  type = string
}

variable "paths" {
  description = "Of the prices; the alias too."
  type        = list(string)
}

variable "tiered" {
  description = "Whether one data centre asks the origin for all others."
  type        = bool
}

variable "origin_secret" {
  type      = string
  sensitive = true
}
