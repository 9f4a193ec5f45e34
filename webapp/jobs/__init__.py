"""Durable jobs: work that outlives the client's connection and the web worker. docs/architecture.md has the design."""
