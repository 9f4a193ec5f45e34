"""The API's reference in the reader's language."""
