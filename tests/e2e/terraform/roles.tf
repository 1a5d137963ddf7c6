data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com", "sagemaker.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "digits-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_policy" "pull" {
  name = "digits-pull"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = aws_ecr_repository.model.arn
      }, {
      Effect   = "Allow"
      Action   = "ecr:GetAuthorizationToken"
      Resource = "*"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "pull" {
  role       = aws_iam_role.execution.name
  policy_arn = aws_iam_policy.pull.arn
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "logs" {
  name = "logs"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.serving.arn}:*"
    }]
  })
}

resource "aws_iam_role" "task" {
  name                 = "digits-task"
  path                 = "/serving/"
  description          = "what the server of ${var.team} may do"
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "read" {
  name = "read"
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["s3:GetObject", var.replicas > 1 ? "s3:ListBucket" : "s3:GetObjectTagging"], Resource = "${aws_s3_bucket.models.arn}/*" }]
  })
}
