"""Runs `preflect run RECIPE` against an endpoint of its own, and prints what is imported when the first call comes."""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from preflect.cli import main


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        print(json.dumps(sorted(sys.modules)), flush=True)
        os._exit(0)  # what comes of the run is nobody's concern


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(main(["run", *sys.argv[1:], "--set", f"models.teacher.base_url=http://127.0.0.1:{server.server_port}/v1"]))
