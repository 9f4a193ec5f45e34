"""Grammars that constrain an answer, and the JSON Schemas and patterns that they are made from."""
