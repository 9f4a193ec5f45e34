"""The JSON of replies, whole and as server-sent events: one `Shape` for each endpoint."""
