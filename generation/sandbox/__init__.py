"""The built-in vendor: draws real pictures from the prompt, offline and deterministic.

`upstream` answers its HTTP API and keeps no state; the other modules draw:
idea (what the prompt asks for) -> palette -> scenes and subjects (with a pen) -> finish -> art (sizes, bytes).
"""
