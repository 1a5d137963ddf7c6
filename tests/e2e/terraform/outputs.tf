output "repository" {
  value = aws_ecr_repository.model.repository_url
}

output "parts" {
  value = "${aws_api_gateway_rest_api.parts.id}/${aws_api_gateway_stage.parts.stage_name}"
}

output "linked" {
  value = "${aws_api_gateway_rest_api.linked.id}/${aws_api_gateway_stage.linked.stage_name}"
}

output "key" {
  value     = aws_api_gateway_api_key.client.value
  sensitive = true
}
