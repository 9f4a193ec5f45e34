"""Both contracts of Hearth: HTTP bodies (marshmallow) and wire messages (msgspec)."""
