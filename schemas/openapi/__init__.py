"""The OpenAPI document and the reference of the API, both generated from the schemas."""
