"""A server of files on this machine, for the tests of downloads."""

import functools
import http.server
import threading

import pytest


@pytest.fixture
def server():
    """server(folder) serves it on this machine and gives (its address, the list of what was asked for)."""
    servers = []

    def serve(folder):
        asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *_):
                pass

        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=made.serve_forever, daemon=True).start()
        servers.append(made)
        return f"http://127.0.0.1:{made.server_port}", asked

    yield serve
    for made in servers:
        made.shutdown()
