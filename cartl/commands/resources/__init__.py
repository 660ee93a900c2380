"""Commands about what a service keeps beside its jobs: data sets, teachers, keys, webhooks."""
