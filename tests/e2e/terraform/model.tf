resource "aws_sagemaker_model" "digits" {
  name               = "digits"
  execution_role_arn = aws_iam_role.execution.arn

  primary_container {
    image          = "${aws_ecr_repository.model.repository_url}:1"
    model_data_url = "s3://${aws_s3_bucket.models.id}/digits/model.tar.gz"
    environment    = { GREETING = "hello" }
  }
}
