"""A real identity provider for tests: an HTTP server with discovery and keys, and tokens that its keys sign."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

AUDIENCE = "vertebra"
NAMES = {"tenant": "radiology", "sub": "user-7", "scope": "openid read submit"}


class Issuer:
    """The state of the server: tests change it while it runs."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {"rsa-1": new_rsa("rsa-1")}
        self.requests: list[str] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.slowness_s = 0.0
        self.url = ""

    def token(self, kid: str = "rsa-1", alg: str = "RS256", key: Key | None = None, **claims: Any) -> str:
        """Return a token that is good unless claims (``None`` removes one), key or header make it bad."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "iat": now, "exp": now + 300, **NAMES}
        kept = {name: value for name, value in (good | claims).items() if value is not None}
        return jwt.encode({"alg": alg, "kid": kid}, kept, key or self.keys[kid], algorithms=[alg])

    def document(self, path: str) -> tuple[int, bytes]:
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        if path == "/keys":
            return 200, json.dumps({"keys": [key.as_dict(private=False) for key in self.keys.values()]}).encode()
        return 404, b""


def new_rsa(kid: str, bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig", "alg": "RS256"})


def new_ec(kid: str, curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid, "use": "sig"})


def new_ed25519(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append(self.path)
            status, body = issuer.document(self.path)
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for at in range(0, len(body), 16 if issuer.slowness_s else 1 << 16):
                time.sleep(issuer.slowness_s)
                self.wfile.write(body[at : at + (16 if issuer.slowness_s else 1 << 16)])
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the client does not wait for a slow answer
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
