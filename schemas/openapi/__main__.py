"""`python -m schemas.openapi` prints docs/api.md."""

import sys

from schemas.openapi.document import document
from schemas.openapi.reference import markdown

sys.stdout.write(markdown(document()))
