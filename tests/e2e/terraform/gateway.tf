# One API made of resources, one of an OpenAPI body that goes through a VPC link.
resource "aws_api_gateway_rest_api" "parts" {
  name        = "digits-parts"
  description = "made resource by resource"

  binary_media_types = ["*/*"]

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "invocations" {
  rest_api_id = aws_api_gateway_rest_api.parts.id
  parent_id   = aws_api_gateway_rest_api.parts.root_resource_id
  path_part   = "invocations"
}

resource "aws_api_gateway_method" "predict" {
  rest_api_id      = aws_api_gateway_rest_api.parts.id
  resource_id      = aws_api_gateway_resource.invocations.id
  http_method      = "POST"
  authorization    = "NONE"
  api_key_required = true
}

resource "aws_api_gateway_integration" "predict" {
  rest_api_id             = aws_api_gateway_rest_api.parts.id
  resource_id             = aws_api_gateway_resource.invocations.id
  http_method             = aws_api_gateway_method.predict.http_method
  type                    = "HTTP_PROXY"
  integration_http_method = "POST"
  uri                     = "http://${aws_lb.main.dns_name}:8080/invocations"
  timeout_milliseconds    = var.timeout_s * 1000
}

resource "aws_api_gateway_method" "preflight" {
  rest_api_id   = aws_api_gateway_rest_api.parts.id
  resource_id   = aws_api_gateway_resource.invocations.id
  http_method   = "OPTIONS"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "preflight" {
  rest_api_id       = aws_api_gateway_rest_api.parts.id
  resource_id       = aws_api_gateway_resource.invocations.id
  http_method       = aws_api_gateway_method.preflight.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 204 }) }
}

resource "aws_api_gateway_method_response" "preflight" {
  rest_api_id         = aws_api_gateway_rest_api.parts.id
  resource_id         = aws_api_gateway_resource.invocations.id
  http_method         = aws_api_gateway_method.preflight.http_method
  status_code         = "204"
  response_parameters = { "method.response.header.Access-Control-Allow-Origin" = true }
}

resource "aws_api_gateway_integration_response" "preflight" {
  rest_api_id         = aws_api_gateway_rest_api.parts.id
  resource_id         = aws_api_gateway_resource.invocations.id
  http_method         = aws_api_gateway_integration.preflight.http_method
  status_code         = aws_api_gateway_method_response.preflight.status_code
  response_parameters = { "method.response.header.Access-Control-Allow-Origin" = "'${var.origin}'" }
}

resource "aws_api_gateway_gateway_response" "refused" {
  rest_api_id         = aws_api_gateway_rest_api.parts.id
  response_type       = "DEFAULT_4XX"
  response_parameters = { "gatewayresponse.header.Access-Control-Allow-Origin" = "'${var.origin}'" }
}

resource "aws_api_gateway_deployment" "parts" {
  rest_api_id = aws_api_gateway_rest_api.parts.id

  triggers = {
    redeployment = sha1(jsonencode([
      aws_api_gateway_resource.invocations.id,
      aws_api_gateway_method.predict.id,
      aws_api_gateway_integration.predict.uri,
      aws_api_gateway_integration.predict.timeout_milliseconds,
      aws_api_gateway_integration_response.preflight.response_parameters,
      aws_api_gateway_gateway_response.refused.response_parameters,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "parts" {
  rest_api_id   = aws_api_gateway_rest_api.parts.id
  deployment_id = aws_api_gateway_deployment.parts.id
  stage_name    = "live"
  description   = "what clients of ${var.team} ask"
}

resource "aws_api_gateway_method_settings" "parts" {
  rest_api_id = aws_api_gateway_rest_api.parts.id
  stage_name  = aws_api_gateway_stage.parts.stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = var.rate
    throttling_burst_limit = 100
  }
}

resource "aws_apigatewayv2_vpc_link" "main" {
  name               = "serving"
  subnet_ids         = aws_subnet.private[*].id
  security_group_ids = [aws_security_group.balancer.id]
}

resource "aws_api_gateway_rest_api" "linked" {
  name = "digits"

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  body = jsonencode({
    openapi = "3.0.1"
    info    = { title = "digits", version = "1" }
    paths = {
      "/invocations" = {
        post = {
          security  = [{ api_key = [] }]
          responses = { "200" = { description = "a prediction" } }
          "x-amazon-apigateway-integration" = {
            type              = "http_proxy"
            httpMethod        = "POST"
            uri               = "http://${aws_lb.main.dns_name}/invocations"
            connectionType    = "VPC_LINK"
            connectionId      = aws_apigatewayv2_vpc_link.main.id
            integrationTarget = aws_lb_listener.http.arn
            timeoutInMillis   = var.timeout_s * 1000
          }
        }
      }
    }
    components = { securitySchemes = { api_key = { type = "apiKey", name = "x-api-key", in = "header" } } }
  })
}

resource "aws_api_gateway_deployment" "linked" {
  rest_api_id = aws_api_gateway_rest_api.linked.id
  triggers    = { redeployment = sha1(aws_api_gateway_rest_api.linked.body) }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "linked" {
  rest_api_id   = aws_api_gateway_rest_api.linked.id
  deployment_id = aws_api_gateway_deployment.linked.id
  stage_name    = "live"
}

resource "aws_api_gateway_usage_plan" "clients" {
  name        = "digits"
  description = "who of ${var.team} may ask how often"

  api_stages {
    api_id = aws_api_gateway_rest_api.parts.id
    stage  = aws_api_gateway_stage.parts.stage_name
  }

  api_stages {
    api_id = aws_api_gateway_rest_api.linked.id
    stage  = aws_api_gateway_stage.linked.stage_name
  }

  throttle_settings {
    rate_limit  = var.rate
    burst_limit = 50
  }

  quota_settings {
    limit  = 100000
    period = "DAY"
  }
}

resource "aws_api_gateway_api_key" "client" {
  name = "digits"
}

resource "aws_api_gateway_usage_plan_key" "client" {
  usage_plan_id = aws_api_gateway_usage_plan.clients.id
  key_id        = aws_api_gateway_api_key.client.id
  key_type      = "API_KEY"
}
