"""As much of GitHub as signing in with it needs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class GitHub:
    """Knows one person, `login`, with one address. `verified` is what it says of that."""

    def __init__(self, login: str, email: str, verified: bool = True) -> None:
        emails = [{"email": email, "primary": True, "verified": verified}]
        answers: dict[str, Any] = {
            "/login/oauth/access_token": {"access_token": "gho_1", "token_type": "bearer", "scope": "user:email"},
            "/user": {"id": 7, "login": login, "name": login, "email": email},
            "/user/emails": emails,
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(answers[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Nothing: the tests speak."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "GitHub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
