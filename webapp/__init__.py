"""The web tier: HTTP in, HTTP out. Stateless; it never loads a model. `webapp.app.create_app` is the way in."""
