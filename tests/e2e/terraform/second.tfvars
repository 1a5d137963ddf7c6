# The second edition: something of every kind that can be changed in place is.
replicas       = 2
greeting       = "hi"
retention_days = 14
rate           = 50
team           = "digits"
timeout_s      = 3
errors         = 8
origin         = "https://shop.example"
