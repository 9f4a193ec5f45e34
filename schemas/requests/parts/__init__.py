"""What the bodies of several endpoints are made of: field types, messages, tools, structures, token ids."""
