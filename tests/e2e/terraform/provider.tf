# The whole cloud behind one endpoint. Nothing here is trimtab's: it is how any emulator of AWS is given to the provider.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region                  = var.region
  s3_use_path_style       = true
  skip_metadata_api_check = true
  skip_region_validation  = true

  default_tags {
    tags = { team = var.team }
  }

  endpoints {
    apigateway             = var.endpoint
    apigatewayv2           = var.endpoint
    applicationautoscaling = var.endpoint
    cloudwatch             = var.endpoint
    ec2                    = var.endpoint
    ecr                    = var.endpoint
    ecs                    = var.endpoint
    elbv2                  = var.endpoint
    iam                    = var.endpoint
    logs                   = var.endpoint
    s3                     = var.endpoint
    sagemaker              = var.endpoint
    sts                    = var.endpoint
  }
}
