#!/usr/bin/env python3
"""rwkv pull, list, rm, -hf and -m NAME against a local server that makes every fault it can.

usage: pull_test.py RWKV_COMMAND MODEL
"""
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

from fault_server import File, Server, random_bytes

COMMAND, MODEL = sys.argv[1], pathlib.Path(sys.argv[2])
MB = 1 << 20


class PullTest(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.cache = pathlib.Path(self.temporary.name) / "cache"
        self.server, self.other = Server(), Server()
        self.environment = {**os.environ, "RWKV_CACHE": str(self.cache), "NO_PROXY": "*", "no_proxy": "*",
                            "HF_ENDPOINT": self.server.url, "MODELSCOPE_ENDPOINT": self.server.url}
        self.environment.pop("HF_TOKEN", None)

    def tearDown(self) -> None:
        for server in (self.server, self.other):
            server.shutdown()
            server.server_close()

    def rwkv(self, *arguments: str, before=None, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([COMMAND, *arguments], env={**self.environment, **environment}, text=True,
                              capture_output=True, timeout=120, preexec_fn=before)

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen([COMMAND, *arguments], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def pulls(self, name: str, want: bytes, *options: str, **environment: str) -> str:
        """Pulls; compares; hands out what was said."""
        run = self.rwkv("pull", name, *options, **environment)
        self.assertEqual(run.returncode, 0, run.stderr)
        path = pathlib.Path(run.stdout.strip())
        self.assertTrue(path.read_bytes() == want, f"{path}: not the bytes of the server")
        self.assertEqual(self.leftovers(), [])
        return run.stderr

    def fails(self, *arguments: str, about: str, **environment: str) -> str:
        run = self.rwkv(*arguments, **environment)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn(about, run.stderr)
        self.assertTrue(run.stderr.splitlines()[-1].startswith("rwkv: "), run.stderr)
        return run.stderr

    def found(self, ending: str) -> list[pathlib.Path]:
        return sorted(p for p in self.cache.rglob("*") if p.is_file() and p.name.endswith(ending))

    def leftovers(self) -> list[pathlib.Path]:
        return self.found(".part") + self.found(".part.json") + self.found(".lock") + self.found(".new")

    def state(self) -> dict:
        return json.loads(self.found(".part.json")[0].read_text())

    def file(self, size: int = 8 * MB, **options: object) -> tuple[str, File]:
        file = self.server.add("/m/model.gguf", random_bytes(size), **options)
        return f"{self.server.url}/m/model.gguf", file

    def wait_for(self, condition) -> None:
        for _ in range(6000):
            if condition():
                return
            time.sleep(0.01)
        self.fail("it did not come about in a minute")


class Plain(PullTest):
    def test_parallel_ranges_cover_the_file_once(self) -> None:
        url, file = self.file(16 * MB)
        file.delay = 0.001
        said = self.pulls(url, file.content, "--connections", "3")
        self.assertIn("not known beforehand", said)
        self.assertEqual(file.most_at_once, 3)
        self.assertEqual(file.n_byte, 16 * MB + 1)  # and one byte to ask for the size
        ranges = sorted(file.asked[1:])
        self.assertEqual([r[0] for r in ranges], [0] + [r[1] for r in ranges[:-1]])
        self.assertGreaterEqual(len(ranges), 12)

    def test_small_odd_sizes(self) -> None:
        for size in (1, 2, MB - 1, MB, MB + 1):
            file = self.server.add(f"/m/{size}.gguf", random_bytes(size, size))
            self.pulls(f"{self.server.url}/m/{size}.gguf", file.content)

    def test_an_empty_file_is_refused(self) -> None:
        self.server.add("/m/model.gguf", b"", fault=lambda h, n: h.answer(416))
        self.fails("pull", self.server.url + "/m/model.gguf", about="empty")
        self.assertEqual(list(self.cache.rglob("*")), [])

    def test_a_server_without_ranges_gets_one_stream(self) -> None:
        url, file = self.file(ranges=False)
        self.assertIn("no ranges", self.pulls(url, file.content))
        # The question and one stream. A look at most_at_once would be a race: the server may see late that
        # the question's connection was closed.
        self.assertEqual(file.n_request, 2)

    def test_a_server_that_says_no_length(self) -> None:
        content = random_bytes(3 * MB)
        url, _ = self.file(fault=lambda h, n: h.chunked(content))
        self.pulls(url, content)

    def test_a_chunked_body_that_is_cut_is_seen(self) -> None:
        content = random_bytes(3 * MB)
        url, _ = self.file(fault=lambda h, n: h.chunked(content, complete=n >= 2))
        self.assertIn("next try", self.pulls(url, content))

    def test_a_slow_start(self) -> None:
        def fault(_, n: int) -> bool:
            time.sleep(1.5)
            return False
        url, file = self.file(2 * MB, fault=fault)
        self.pulls(url, file.content)

    def test_a_server_that_falls_silent_is_tried_again(self) -> None:
        def fault(handler, n: int) -> bool:
            if n == 1:
                time.sleep(4)
            return False
        url, file = self.file(MB, fault=fault)
        self.assertIn("next try", self.pulls(url, file.content, "--stall", "1"))

    def test_progress_is_silent_with_quiet(self) -> None:
        url, file = self.file(MB)
        self.assertEqual(self.pulls(url, file.content, "-q"), "")

    def test_progress_on_a_terminal(self) -> None:
        url, file = self.file(4 * MB)
        file.delay = 0.03
        terminal, end = pty.openpty()
        process = subprocess.Popen([COMMAND, "pull", url], env=self.environment, stdout=subprocess.DEVNULL,
                                   stderr=end)
        os.close(end)
        said = b""
        while True:
            try:
                said += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
        os.close(terminal)
        self.assertEqual(process.wait(), 0, said)
        lines = re.split(rb"\r\033\[K|\r\n", said)
        shown = re.compile(rb"model.gguf: \d+ % of 4.2 MB, [\d.]+ [kM]B/s, \d:\d\d left")
        self.assertTrue(any(map(shown.fullmatch, lines)), said)
        self.assertLess(max(map(len, lines[:-2])), 80)

    def test_progress_elsewhere(self) -> None:
        url, file = self.file(8 * MB)
        file.delay = 0.12  # 64 pieces for each of four connections
        self.assertRegex(self.pulls(url, file.content), r"model.gguf: \d+ % of 8.4 MB, .*/s, \d:\d\d left\n")

    def test_it_is_not_loaded_twice(self) -> None:
        url, file = self.file(MB)
        self.pulls(url, file.content)
        n = file.n_request
        self.assertIn("there already", self.pulls(url, file.content))
        self.assertEqual(file.n_request, n)


class Faults(PullTest):
    def test_cuts_in_the_middle_load_nothing_twice(self) -> None:
        url, file = self.file(fault=lambda h, n: n in (2, 4, 5) and h.serve(file, cut_after=300_000))
        self.assertIn("next try", self.pulls(url, file.content))
        # What was under way when a cut was seen may be lost in the network, nothing else.
        self.assertLess(file.n_byte, 8 * MB + 3 * 300_000)

    def test_cuts_without_ranges_start_over(self) -> None:
        url, file = self.file(ranges=False, fault=lambda h, n: n in (1, 2) and h.serve(file, cut_after=300_000))
        self.assertIn("cannot go on in the middle", self.pulls(url, file.content))

    def test_wrong_ranges_are_asked_again(self) -> None:
        def fault(handler, n: int) -> bool:  # any piece may come as the n-th, the first one of the file too
            return n in (1, 3) and handler.serve(file, shift=-1 if n == 3 and handler.range(file)[0] else 1)
        url, file = self.file(fault=fault)
        self.assertIn("were asked for", self.pulls(url, file.content))

    def test_wrong_ranges_for_ever_are_refused(self) -> None:
        url, file = self.file(fault=lambda h, n: n > 0 and h.serve(file, shift=-1 if h.range(file)[0] else 1))
        self.fails("pull", url, "--retries", "1", about="were asked for")
        self.assertEqual(self.found(".gguf"), [])

    def test_ranges_ignored_in_the_middle(self) -> None:
        def fault(handler, n: int) -> bool:
            file.ranges = n != 2
            return False
        url, file = self.file(fault=fault)
        self.assertIn("whole file came", self.pulls(url, file.content, "--connections", "1"))

    def test_more_bytes_than_asked_for(self) -> None:
        url, file = self.file(fault=lambda h, n: n == 2 and h.serve(file, extra=b"more"))
        self.assertIn("are announced", self.pulls(url, file.content))

    def test_more_bytes_than_promised_in_one_stream(self) -> None:
        url, file = self.file(MB, ranges=False)
        file.fault = lambda h, n: n > 0 and h.serve(file, extra=b"more")
        self.fails("pull", url, "--retries", "1", about="more bytes than promised")
        self.assertEqual(self.found(".gguf"), [])

    def test_fewer_bytes_than_promised_in_one_stream(self) -> None:
        url, file = self.file(MB, ranges=False)
        file.fault = lambda h, n: n > 0 and h.answer(200, file.content[:-1])
        self.fails("pull", url, "--retries", "1", about="bytes came")

    def test_lasting_statuses_fail_at_once(self) -> None:
        for status, about in ((403, "HF_TOKEN"), (404, "no such file"), (401, "not public"),
                              (410, "no such file")):
            url, file = self.file(fault=lambda h, n, s=status: h.answer(s, b"text of the error"))
            self.fails("pull", url, about=about)
            self.assertEqual(file.n_request, 1)
        self.assertEqual(list(self.cache.rglob("*")), [])

    def test_passing_statuses_are_tried_again(self) -> None:
        answers = {0: (500, {}), 1: (429, {"Retry_After": "1"}), 3: (503, {}), 4: (429, {"Retry_After": "0"})}
        url, file = self.file(
            fault=lambda h, n: n in answers and h.answer(answers[n][0], b"wait", **answers[n][1]))
        began = time.monotonic()
        said = self.pulls(url, file.content)
        self.assertIn("too many requests", said)
        self.assertGreaterEqual(time.monotonic() - began, 1.5)  # 0.5 s, and the second that was asked for

    def test_a_broken_server_is_given_up_and_the_part_stays(self) -> None:
        url, file = self.file(fault=lambda h, n: n > 3 and h.answer(500, b"no"))
        self.fails("pull", url, "--retries", "1", "--connections", "1", about="given up after 2 tries")
        self.assertEqual(self.state()["done"], [[0, 6 * MB]])
        file.fault = None
        self.assertIn("goes on, 6.3 MB", self.pulls(url, file.content))
        self.assertEqual(file.n_byte, 8 * MB + 2)

    def test_nobody_listens(self) -> None:
        self.other.shutdown()
        self.other.server_close()
        self.fails("pull", self.other.url + "/m/model.gguf", "--retries", "0", about=self.other.url)


class Redirects(PullTest):
    def test_a_token_stays_with_its_host(self) -> None:
        content = random_bytes(2 * MB)
        cdn = self.other.add("/file", content)
        front = self.server.add("/o/r/resolve/main/model.gguf", b"",
                                fault=lambda h, n: h.redirect(self.other.url + "/file"))
        self.pulls("hf:o/r/model.gguf", content, HF_TOKEN="hf_secret")
        self.assertEqual(set(front.tokens), {"Bearer hf_secret"})
        self.assertEqual(set(cdn.tokens), {None})

    def test_a_token_is_not_for_other_addresses(self) -> None:
        file = self.other.add("/m/model.gguf", random_bytes(1000))
        self.pulls(self.other.url + "/m/model.gguf", file.content, HF_TOKEN="hf_secret")
        self.assertEqual(set(file.tokens), {None})

    def test_loops_end(self) -> None:
        url, file = self.file(fault=lambda h, n: h.redirect(url))
        self.fails("pull", url, about="more than 10 redirects")
        self.assertEqual(file.n_request, 11)

    def test_a_redirect_without_a_target(self) -> None:
        url, _ = self.file(fault=lambda h, n: h.answer(302, b""))
        self.fails("pull", url, about="leads nowhere")

    def test_plain_http_leaves_this_machine_never(self) -> None:
        self.fails("pull", "http://example.org/m.gguf", about="only https")
        url, file = self.file(fault=lambda h, n: h.redirect("http://example.org/m.gguf"))
        self.fails("pull", url, about="only https")
        file.fault = lambda h, n: h.redirect("file:///etc/passwd")
        self.fails("pull", url, about="no http or https address")
        file.fault = lambda h, n: h.redirect("https://user:word@example.org/m.gguf")
        self.fails("pull", url, about="user name")
        self.fails("pull", "ftp://example.org/m.gguf", about="no http or https address")

    def with_tls(self) -> tuple[str, str]:
        """Makes self.other speak TLS. (its address, the file of its own certificate)"""
        if not shutil.which("openssl"):
            self.skipTest("openssl is absent")
        key, certificate = (str(pathlib.Path(self.temporary.name) / name) for name in ("key", "certificate"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                        "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.other.socket = context.wrap_socket(self.other.socket, server_side=True)
        return f"https://localhost:{self.other.server_port}", certificate

    def test_a_certificate_of_nobody_is_refused(self) -> None:
        url, _ = self.with_tls()
        file = self.other.add("/m.gguf", b"x")
        self.fails("pull", url + "/m.gguf", about="certificate")
        self.assertEqual(file.n_request, 0)

    def test_tls_with_a_known_authority(self) -> None:
        url, certificate = self.with_tls()
        file = self.other.add("/m/model.gguf", random_bytes(3 * MB))
        self.pulls(url + "/m/model.gguf", file.content, SSL_CERT_FILE=certificate)
        # The name counts too.
        self.fails("pull", url.replace("localhost", "127.0.0.1") + "/m/other.gguf", about="127.0.0.1",
                   SSL_CERT_FILE=certificate)

    def test_from_https_to_http_is_not_followed(self) -> None:
        url, certificate = self.with_tls()
        target = self.server.add("/m/model.gguf", b"x")
        self.other.add("/m/model.gguf", b"", fault=lambda h, n: h.redirect(self.server.url + "/m/model.gguf"))
        self.fails("pull", url + "/m/model.gguf", about="from https to http", SSL_CERT_FILE=certificate)
        self.assertEqual(target.n_request, 0)


class Resuming(PullTest):
    def test_a_killed_pull_loads_only_what_is_missing(self) -> None:
        url, file = self.file(16 * MB)
        file.delay = 0.02
        process = self.start("pull", url)
        self.wait_for(lambda: self.found(".part.json") and sum(e - b for b, e in self.state()["done"]) > 3 * MB)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        there = sum(e - b for b, e in self.state()["done"])
        self.assertEqual([p.name for p in self.found(".gguf")], [])
        self.assertIn("a part", self.rwkv("list").stdout)
        self.fails("run", "-m", "model.gguf", "-p", "x", about="only a part")
        file.delay, file.n_byte = 0, 0
        self.wait_for(lambda: file.n_now == 0)
        file.n_byte = 0
        self.assertIn("goes on", self.pulls(url, file.content))
        self.assertEqual(file.n_byte, 16 * MB - there + 1)

    def test_ctrl_c_keeps_the_part_and_says_how_to_go_on(self) -> None:
        url, file = self.file(16 * MB)
        file.delay = 0.02
        process = self.start("pull", url)
        self.wait_for(lambda: file.n_byte > 2 * MB)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 130)
        self.assertIn("same command goes on", said)
        self.assertGreater(sum(e - b for b, e in self.state()["done"]), MB)
        file.delay = 0
        self.pulls(url, file.content)

    def interrupted(self, url: str, file: File) -> None:
        file.fault = lambda h, n: n > 3 and h.answer(500, b"no")
        self.fails("pull", url, "--retries", "0", "--connections", "1", about="given up")
        file.fault = None

    def test_another_etag_starts_over(self) -> None:
        url, file = self.file()
        self.interrupted(url, file)
        file.content, file.etag, file.n_byte = random_bytes(8 * MB, 2), '"other"', 0
        self.assertIn("starting over", self.pulls(url, file.content))
        self.assertEqual(file.n_byte, 8 * MB + 1)

    def test_an_etag_that_changes_under_way(self) -> None:
        def fault(handler, n: int) -> bool:
            if n == 3:
                file.etag = '"other"'
            return False
        url, file = self.file(fault=fault)
        self.fails("pull", url, about="changed on the server")
        self.assertIn("starting over", self.pulls(url, file.content))

    def test_a_state_that_lies_or_is_broken_starts_over(self) -> None:
        for damage in ("", "{", "[]", '{"done": 5}', None):
            url, file = self.file()
            self.interrupted(url, file)
            if damage is None:  # the part is shorter than its state says
                os.truncate(self.found(".part")[0], 100)
            else:
                self.found(".part.json")[0].write_text(damage)
            self.pulls(url, file.content)
            self.assertEqual(self.rwkv("rm", "model.gguf").returncode, 0)

    def test_after_a_restart_of_the_machine_unchecked_bytes_are_not_trusted(self) -> None:
        url, file = self.file()
        self.interrupted(url, file)
        path = self.found(".part.json")[0]
        path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
        self.assertIn("starting over", self.pulls(url, file.content))

    def test_two_pulls_at_once(self) -> None:
        url, file = self.file(8 * MB)
        file.delay = 0.005
        processes = [self.start("pull", url) for _ in range(3)]
        outs = [p.communicate() for p in processes]
        self.assertEqual([p.returncode for p in processes], [0, 0, 0], outs)
        self.assertEqual(file.n_byte, 8 * MB + 1)
        self.assertTrue(self.found(".gguf")[0].read_bytes() == file.content)
        self.assertEqual(sum("waiting" in said for _, said in outs), 2)
        self.assertEqual(self.leftovers(), [])


class Disk(PullTest):
    def limited(self, n_byte: int):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_byte, n_byte))

    def test_a_limit_on_file_size_keeps_the_part(self) -> None:
        url, file = self.file()
        run = self.rwkv("pull", url, "--connections", "1", before=self.limited(5 * MB))
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("larger than files may be", run.stderr)
        self.assertEqual(self.state()["done"], [[0, 5 * MB]])
        file.n_byte = 0
        self.pulls(url, file.content)
        self.assertEqual(file.n_byte, 3 * MB + 1)

    def small_disk(self, size: str) -> None:
        self.cache.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.cache)],
                               capture_output=True)
        if mount.returncode != 0:
            self.skipTest("no small disk can be mounted here")
        self.addCleanup(subprocess.run, ["umount", str(self.cache)], check=True)

    def test_space_is_looked_at_beforehand(self) -> None:
        self.small_disk("4m")
        url, file = self.file()
        self.fails("pull", url, about="are still needed")
        self.assertEqual(file.n_byte, 1)

    def test_a_disk_that_fills_up(self) -> None:
        self.small_disk("4m")
        url, file = self.file(MB)
        file.fault = lambda h, n: h.chunked(random_bytes(6 * MB))
        self.fails("pull", url, about="the disk is full")
        self.assertEqual(self.found(".gguf"), [])

    def test_a_folder_that_cannot_be_made(self) -> None:
        self.cache.write_text("a file")
        url, _ = self.file(MB)
        self.fails("pull", url, about="cannot be made")


class Hubs(PullTest):
    def test_hugging_face_tells_the_hash(self) -> None:
        files = self.server.add_repo("o/r", {"dir/model.Q8_0.gguf": random_bytes(2 * MB)})
        said = self.pulls("hf:o/r/dir/model.Q8_0.gguf", files["dir/model.Q8_0.gguf"].content)
        self.assertIn("SHA-256 right", said)
        self.assertEqual(self.found(".gguf")[0].relative_to(self.cache),
                         pathlib.Path("hf/o/r/dir/model.Q8_0.gguf"))

    def test_a_wrong_hash_is_refused(self) -> None:
        files = self.server.add_repo("o/r", {"m.gguf": random_bytes(2 * MB)})
        files["m.gguf"].content = random_bytes(2 * MB, 2)
        self.fails("pull", "hf:o/r/m.gguf", about="wrong content")
        self.assertEqual(list(self.cache.rglob("*")), [])

    def test_choosing_a_quantization(self) -> None:
        names = ["m.Q4_K_M.gguf", "m.Q8_0.gguf", "m.Q4_K_S.gguf", "README.md"]
        files = self.server.add_repo("o/r", {name: name.encode() for name in names})
        self.pulls("hf:o/r", b"m.Q8_0.gguf")
        self.pulls("hf:o/r:Q4_k_m", b"m.Q4_K_M.gguf")
        run = self.rwkv("pull", "-hf", "o/r:Q4_K_S")
        self.assertEqual(run.returncode, 0, run.stderr)
        said = self.fails("pull", "hf:o/r:q6_k", about="q6_k")
        self.assertIn("m.Q4_K_S.gguf", said)
        self.assertEqual(files["README.md"].n_request, 0)

    def test_all_parts_of_a_split_file(self) -> None:
        names = [f"m-Q8_0-0000{i}-of-00002.gguf" for i in (1, 2)]
        self.server.add_repo("o/r", {name: name.encode() for name in names})
        run = self.rwkv("pull", "hf:o/r")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual([pathlib.Path(p).name for p in run.stdout.split()], names)

    def test_modelscope(self) -> None:
        content = random_bytes(MB)
        file = self.server.add("/models/o/r/resolve/master/m.gguf", content)
        listing = {"Data": {"Files": [{"Path": "m.gguf", "Sha256": file.sha256()}]}}
        listed = self.server.add("/api/v1/models/o/r/repo/files", json.dumps(listing).encode())
        self.assertIn("SHA-256 right", self.pulls("ms:o/r/m.gguf", content))
        self.assertEqual(self.rwkv("rm", "ms:o/r/m.gguf").returncode, 0)
        listed.content = b"no list"
        self.assertIn("not checked", self.pulls("ms:o/r/m.gguf", content))

    def test_names_of_the_catalogue(self) -> None:
        repo = "shoumenchougou/RWKV7-G1d-0.4B-GGUF"
        self.server.add_repo(repo, {"rwkv7-g1d-0.4b-Q8_0.gguf": MODEL.read_bytes()})
        self.fails("run", "-m", "rwkv7-g1-0.4b", "-p", "x", about="rwkv pull rwkv7-g1-0.4b")
        self.pulls("rwkv7-g1-0.4b:q8_0", MODEL.read_bytes())
        for name in ("rwkv7-g1-0.4b", "rwkv7-g1d-0.4b", "rwkv7-g1d-0.4b:q8_0", "rwkv7-g1d-0.4b-Q8_0",
                     f"hf:{repo}/rwkv7-g1d-0.4b-Q8_0.gguf"):
            run = self.rwkv("run", "-m", name, "-p", "x", "-n", "3", "--temp", "0")
            self.assertEqual(run.returncode, 0, run.stderr)
        self.fails("run", "-m", "rwkv7-g1d-0.4b:q4_k_m", "-p", "x", about="not pulled yet")
        self.fails("pull", "rwkv7-g1-0.1b:q2_k", about="not known as q2_k")
        self.fails("pull", "rwkv7-g9", about="it has rwkv7-g1")

    def test_a_file_whose_hash_is_not_the_catalogues(self) -> None:
        name = "gguf/rwkv7-g1a-0.1b-20250728-ctx4096-Q8_0.gguf"
        files = self.server.add_repo("mollysama/rwkv-mobile-models", {name: b"something else"})
        self.fails("pull", "rwkv7-g1a-0.1b", about="expected c749886d")
        self.assertLessEqual(files[name].n_byte, 1)

    def test_hf_option_pulls_and_runs(self) -> None:
        self.server.add_repo("o/r", {"m.Q8_0.gguf": MODEL.read_bytes()})
        for _ in range(2):
            run = self.rwkv("-hf", "o/r", "-p", "Hi", "-n", "3", "--temp", "0", "-no-cnv")
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertTrue(run.stdout)
        self.assertEqual(self.server.files["/api/models/o/r/revision/main"].n_request, 1)
        self.server.files.clear()  # nothing is asked for when it is there
        self.assertEqual(self.rwkv("run", "-hf", "o/r", "-p", "Hi", "-n", "1").returncode, 0)

    def test_a_list_is_asked_for_again(self) -> None:
        self.server.add_repo("o/r", {"m.Q8_0.gguf": MODEL.read_bytes()})
        file = self.server.files["/api/models/o/r/revision/main"]
        file.fault = lambda h, n: n < 2 and h.answer(503, b"no")
        began = time.monotonic()
        self.fails("pull", "hf:o/r", "--retries", "0", about="given up after 1 tries")
        file.n_request = 0
        self.assertEqual(self.rwkv("pull", "hf:o/r").returncode, 0)
        self.assertEqual(file.n_request, 3)
        self.assertGreaterEqual(time.monotonic() - began, 1.5)  # 0.5 s, then 1 s

    def test_a_list_that_is_none(self) -> None:
        for body in (b"<html>", b"{}", b"[]", b'{"siblings": [{"rfilename": "../../x.gguf"}]}'):
            self.server.add("/api/models/o/r/revision/main", body)
            self.fails("pull", "hf:o/r", about="o/r")
        self.assertEqual(list(self.cache.rglob("*")), [])

    def test_names_that_would_leave_the_cache(self) -> None:
        for name in ("hf:o/../x", "hf:o/r/../../x", "ms:o/r/.hidden", "hf:o/r//x", "https://h/../x", "hf:o",
                     "hf:o/r/a\\b", "hf:o/r@../f"):
            self.fails("pull", name, about=name)


class Manages(PullTest):
    def test_list_and_rm(self) -> None:
        self.assertIn("no models", self.rwkv("list").stderr)
        self.assertEqual(json.loads(self.rwkv("list", "--json").stdout), [])
        url, file = self.file(MB)
        self.pulls(url, file.content)
        entry = json.loads(self.rwkv("list", "--json").stdout)[0]
        self.assertEqual((entry["name"], entry["size"], entry["sha256"], entry["complete"]),
                         (url, MB, file.sha256(), True))
        self.assertIn("1.0 MB", self.rwkv("list").stdout)
        self.fails("rm", "nothing", about="no such model")
        self.assertEqual(self.rwkv("rm", "model").returncode, 0)
        self.assertEqual(list(self.cache.rglob("*")), [])

    def test_two_models_of_one_file_name(self) -> None:
        for repo in ("a/r", "b/r"):
            self.server.add_repo(repo, {"m.gguf": MODEL.read_bytes()})
            self.pulls(f"hf:{repo}/m.gguf", MODEL.read_bytes())
        self.fails("run", "-m", "m.gguf", "-p", "x", about="several pulled models")
        self.fails("rm", "m", about="hf:a/r/m.gguf, hf:b/r/m.gguf")
        self.assertEqual(self.rwkv("rm", "hf:a/r/m.gguf").returncode, 0)
        self.assertEqual(self.rwkv("info", "-m", "m.gguf").returncode, 0)

    def test_the_cache_folder(self) -> None:
        home = pathlib.Path(self.temporary.name)
        url, file = self.file(1000)
        self.pulls(url, file.content, RWKV_CACHE="", XDG_CACHE_HOME=str(home / "xdg"))
        self.assertTrue((home / "xdg/rwkv/url").is_dir())
        self.pulls(url, file.content, RWKV_CACHE="", XDG_CACHE_HOME="", HOME=str(home))
        self.assertTrue((home / ".cache/rwkv/url").is_dir())

    def test_a_file_outranks_a_name(self) -> None:
        self.assertEqual(self.rwkv("info", "-m", str(MODEL)).returncode, 0)
        self.fails("info", "-m", "rwkv7-nothing.gguf", about="rwkv7-nothing.gguf")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
