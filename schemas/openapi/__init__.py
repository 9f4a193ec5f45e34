"""The OpenAPI document and the reference, both made from the schemas."""
