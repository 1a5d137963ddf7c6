data "aws_caller_identity" "me" {}

resource "aws_s3_bucket" "models" {
  bucket        = "models-${data.aws_caller_identity.me.account_id}"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "models" {
  bucket = aws_s3_bucket.models.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "models" {
  bucket                  = aws_s3_bucket.models.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_object" "card" {
  bucket       = aws_s3_bucket.models.id
  key          = "digits/card.json"
  content      = jsonencode({ inputs = ["image"], outputs = ["digit"], team = var.team })
  content_type = "application/json"
}

resource "aws_ecr_repository" "model" {
  name                 = "vision/digits"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "model" {
  repository = aws_ecr_repository.model.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "the last ten"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 5 * var.timeout_s }
      action       = { type = "expire" }
    }]
  })
}
