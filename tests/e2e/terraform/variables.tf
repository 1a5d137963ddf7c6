variable "endpoint" {
  description = "of the local cloud, as `trimtab local env` prints it"
  type        = string
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "image" {
  description = "one that has Python, in a registry that tasks can pull from"
  type        = string
}

variable "replicas" {
  type    = number
  default = 1
}

variable "greeting" {
  description = "an environment variable of the container: an edit of it rolls the service"
  type        = string
  default     = "hello"
}

variable "retention_days" {
  type    = number
  default = 7
}

variable "rate" {
  description = "requests a second that the usage plan and the stages allow"
  type        = number
  default     = 100
}

variable "team" {
  description = "a tag of everything"
  type        = string
  default     = "vision"
}

variable "timeout_s" {
  description = "how long the gateway waits for the model, and a load balancer for a health check"
  type        = number
  default     = 2
}

variable "errors" {
  description = "a minute, above which the alarm goes off"
  type        = number
  default     = 5
}

variable "origin" {
  description = "whose pages may call"
  type        = string
  default     = "*"
}
