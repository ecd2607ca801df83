"""Pages for people, and the addresses of pictures and callbacks."""
