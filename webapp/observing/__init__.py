"""What is counted, logged and traced of each request."""
