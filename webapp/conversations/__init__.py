"""Conversations and responses that the server stores."""
