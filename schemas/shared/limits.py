"""Limits of both tiers. Some are defaults of settings, which gunicorn's master reads without any schema."""

MAX_CHOICES = 128
"""Default for the most choices of one prompt."""

MAX_SCHEMA_OBJECTS = 5000
"""Most objects in a JSON Schema that answers must match, the schema itself and its `properties` included."""
MAX_OPTIONAL = 500
"""Most optional properties in an object of such a schema."""
MAX_OPEN = 100
"""Most properties in objects that allow others besides (`additionalProperties` or `unevaluatedProperties`)."""
MAX_COUNTED = 50
"""Most optional properties in objects that have `minProperties` or `maxProperties`."""
MAX_FORMATS = 50
"""Most strings with a `format`."""
MAX_LENGTHS = 2048
"""Most characters in different bounds of lengths: `maxLength` 100 once and 1,000 twice are 100 + 256."""
MAX_CLASSES, MAX_QUANTIFIERS = 1000, 200
"""Most classes of characters and quantifiers in a regular expression, and in all patterns of a schema."""
REPEATS, WIDE = 128, 3
"""`[a-z]{1,200}` counts as `REPEATS` classes, and not as 200, because xgrammar has a cheaper way for more. A class that
most tokens match, such as `.` or `[^a]`, counts as `WIDE`.
"""
COUNTED_CLASSES = f"as often as `{{n,m}}` repeats it, up to {REPEATS} times, and `.` and `[^a]` as {WIDE}"
MAX_TYPES = 7
"""Most types in a `type`: JSON Schema has no more."""
