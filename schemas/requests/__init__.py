"""Request bodies: a marshmallow schema for each endpoint, and the parts that they share."""
