"""From a request's messages or text to the prompt's tokens."""
