"""What a request's body is: a schema for each endpoint, and the parts that they share."""
