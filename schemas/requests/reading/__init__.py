"""From a request's bytes to counted JSON values, before a schema sees them."""
