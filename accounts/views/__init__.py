"""Pages for people: the way in, keys, team, settings."""
