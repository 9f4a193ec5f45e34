"""Tool calls and reasoning: what of an answer's text they are."""
