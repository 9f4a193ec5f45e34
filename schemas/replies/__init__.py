"""What a reply is, whole and as events of a stream: a shape for each endpoint."""
