"""A small HTTP server for tests of downloads: it serves bytes with ranges, counts what it sends, and does
wrong what a test asks for."""
import hashlib
import http.server
import json
import random
import re
import threading
import time


class File:
    """What stands at one path. `fault(handler, n)` is asked first for the n-th request (from 0); when it
    returns True it has answered by itself."""

    def __init__(self, content: bytes, fault=None, ranges: bool = True, etag: str = "") -> None:
        self.content, self.fault, self.ranges = content, fault, ranges
        self.etag = etag or f'"{hashlib.md5(content).hexdigest()}"'
        self.headers: dict[str, str] = {}
        self.delay = 0.0  # seconds between pieces of 32 KiB
        self.n_request = self.n_byte = self.n_now = self.most_at_once = 0
        self.asked: list[tuple[int, int]] = []
        self.tokens: list[str | None] = []

    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def random_bytes(n: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        file = self.server.files.get(self.path.split("?")[0])
        if file is None:
            return self.answer(404, b"no")
        with self.server.lock:
            n = file.n_request
            file.n_request += 1
            file.n_now += 1
            file.most_at_once = max(file.most_at_once, file.n_now)
            file.tokens.append(self.headers.get("Authorization"))
        try:
            if not (file.fault and file.fault(self, n)):
                self.serve(file)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:
                file.n_now -= 1

    def range(self, file: File) -> tuple[int, int] | None:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(match[1]), min(int(match[2]) + 1, len(file.content))) if match and file.ranges else None

    def answer(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def redirect(self, to: str, **headers: str) -> bool:
        return self.answer(302, b"moved", Location=to, **headers)

    def serve(self, file: File, cut_after: int | None = None, shift: int = 0, extra: bytes = b"") -> bool:
        """cut_after: bytes after which the connection closes; shift: the range that comes is a wrong one."""
        part = self.range(file)
        begin, end = part or (0, len(file.content))
        with self.server.lock:
            file.asked.append((begin, end))
        body = file.content[begin + shift:end + shift] + extra
        self.send_response(206 if part else 200)
        self.send_header("ETag", file.etag)
        for name, value in file.headers.items():
            self.send_header(name, value)
        if part:
            self.send_header("Content-Range",
                             f"bytes {begin + shift}-{end + shift - 1}/{len(file.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for at in range(0, len(body), 32768):
            piece = body[at:at + 32768]
            if cut_after is not None and at + len(piece) > cut_after:
                piece = piece[:cut_after - at]
            self.wfile.write(piece)
            with self.server.lock:
                file.n_byte += len(piece)
            if cut_after is not None and at + len(piece) >= cut_after:
                self.close_connection = True
                return True
            if file.delay:
                time.sleep(file.delay)
        return True

    def chunked(self, body: bytes, complete: bool = True) -> bool:
        """Without a Content-Length."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 32768):
            piece = body[at:at + 32768]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if complete:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True
        return True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, File] = {}
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        pass

    def add(self, path: str, content: bytes, **options: object) -> File:
        self.files[path] = File(content, **options)
        return self.files[path]

    def add_repo(self, repo: str, files: dict[str, bytes]) -> dict[str, File]:
        """As Hugging Face answers: the list, and files behind a redirect that tells their SHA-256."""
        names = [{"rfilename": name} for name in files]
        self.add(f"/api/models/{repo}/revision/main", json.dumps({"siblings": names}).encode())
        out = {}
        for name, content in files.items():
            out[name] = self.add(f"/cdn/{repo}/{name}", content)
            front = self.add(f"/{repo}/resolve/main/{name}", b"")
            front.fault = lambda handler, _, target=f"/cdn/{repo}/{name}", sha=out[name].sha256(): \
                handler.redirect(self.url + target, X_Linked_Etag=f'"{sha}"')
        return out
