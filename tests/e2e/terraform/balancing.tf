resource "aws_lb" "main" {
  name               = "serving"
  internal           = true
  load_balancer_type = "application"
  security_groups    = [aws_security_group.balancer.id]
  subnets            = aws_subnet.private[*].id
  idle_timeout       = 60 + var.timeout_s
}

resource "aws_lb_target_group" "model" {
  name                 = "digits"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.main.id
  deregistration_delay = 3 + var.timeout_s

  health_check {
    path                = "/ping"
    interval            = 5
    timeout             = var.timeout_s
    healthy_threshold   = 2
    unhealthy_threshold = 2
    matcher             = "200"
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "${var.team} has no such model"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "model" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 10

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.model.arn
  }

  condition {
    path_pattern {
      values = var.errors > 5 ? ["/invocations"] : ["/invocations", "/ping"]
    }
  }
}
