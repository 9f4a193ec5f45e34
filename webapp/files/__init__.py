"""The files of clients, in the database: what they upload, and what batches write."""
