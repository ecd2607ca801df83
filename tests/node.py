"""Node, for programs of ours and of our customers in JavaScript: Playwright's wheel brings it."""

from pathlib import Path

import playwright

NODE = str(Path(playwright.__file__).parent / "driver" / "node")
