"""Conversations and responses that the server keeps."""
