# What tests/fleet.py makes, made by Terraform: the same kinds, as many, on a cloud of their own.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" { type = string }
variable "deployments" { type = number }
variable "subnet" { type = string }
variable "security_group" { type = string }

provider "aws" {
  region                  = "us-east-1"
  s3_use_path_style       = true
  skip_metadata_api_check = true

  endpoints {
    ecr  = var.endpoint
    ecs  = var.endpoint
    iam  = var.endpoint
    logs = var.endpoint
    s3   = var.endpoint
    sts  = var.endpoint
  }
}

resource "aws_s3_bucket" "fleet" {
  bucket = "fleet"
}

resource "aws_ecs_cluster" "fleet" {
  name = "fleet"
}

resource "aws_s3_object" "record" {
  count   = var.deployments
  bucket  = aws_s3_bucket.fleet.id
  key     = format("fleet/%04d.json", count.index)
  content = "{}"
}

resource "aws_ecr_repository" "repository" {
  count                = var.deployments
  name                 = format("fleet/%04d", count.index)
  image_tag_mutability = "IMMUTABLE"
}

resource "aws_iam_role" "task" {
  count = var.deployments
  name  = format("fleet-%04d", count.index)
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "task" {
  count  = var.deployments
  name   = "trimtab"
  role   = aws_iam_role.task[count.index].id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] })
}

resource "aws_cloudwatch_log_group" "logs" {
  count             = var.deployments
  name              = format("/fleet/%04d", count.index)
  retention_in_days = 30
}

resource "aws_ecs_task_definition" "release" {
  count                    = var.deployments
  family                   = format("fleet-%04d", count.index)
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  container_definitions    = jsonencode([{ name = "model", image = "model:1", essential = true }])
}

resource "aws_ecs_service" "service" {
  count           = var.deployments
  name            = format("fleet-%04d", count.index)
  cluster         = aws_ecs_cluster.fleet.id
  task_definition = aws_ecs_task_definition.release[count.index].arn
  launch_type     = "FARGATE"
  desired_count   = 0

  network_configuration {
    subnets         = [var.subnet]
    security_groups = [var.security_group]
  }
}
