"""Lists of token ids. A prompt may have a hundred thousand, so they are checked in one loop, not by a field each."""

from typing import Any

from marshmallow import ValidationError, fields

MAX_TOKEN_ID = 2**31 - 1


class TokenIds(fields.Field[list[int]]):
    """A JSON array of at least one token id."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[int]:
        if not isinstance(value, list):
            raise ValidationError("Expected an array.")
        return token_ids(value)


def token_ids(value: list[Any]) -> list[int]:
    """Return `value`, a list of token ids. Raises `ValidationError` for an empty list, and at the first bad element."""
    if not value:
        raise ValidationError("Expected at least one token id.")
    for index, token_id in enumerate(value):
        if type(token_id) is float and token_id.is_integer():
            token_id = value[index] = int(token_id)
        if type(token_id) is not int or not 0 <= token_id <= MAX_TOKEN_ID:
            raise ValidationError({index: ["Expected a token id."]})
    return value
