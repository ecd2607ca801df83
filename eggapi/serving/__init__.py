"""An installation that runs: its data folder, its database, its web server and workers, its health."""
