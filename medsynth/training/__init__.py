"""How the core trains a plugin's phases, whatever they are."""
