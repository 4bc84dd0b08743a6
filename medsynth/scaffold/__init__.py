"""New distributions with a plugin that works: what a plugin author starts from."""
