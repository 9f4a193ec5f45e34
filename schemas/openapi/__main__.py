"""`python -m schemas.openapi` prints docs/api.md, the reference of the API."""

import sys

from schemas.openapi.document import document
from schemas.openapi.reference import markdown

sys.stdout.write(markdown(document()))
