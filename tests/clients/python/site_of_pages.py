"""A site of numbered pages on the loopback interface, which can hold its answers back."""

import http.server
import threading

PAGES = 150


def links(page):
    """Each page names three others, so that nearly all are named more than once."""
    named = {2 * page + 1, 2 * page + 2, (7 * page + 3) % PAGES}
    return sorted(other for other in named if other < PAGES and other != page)


class Site:
    def __init__(self):
        self.asked = []
        self.answered = []
        self.hold_after = None
        self.held = threading.Event()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def hold(self, answers):
        """After so many answers the next request waits until the site ends."""
        with self.lock:
            self.hold_after = answers

    def release(self):
        with self.lock:
            self.hold_after = None
            self.asked.clear()
            self.answered.clear()
        self.held.clear()

    def answer(self, request):
        page = int(request.path[1:])
        with self.lock:
            self.asked.append(page)
            hold = self.hold_after is not None and len(self.answered) >= self.hold_after
            if not hold:
                self.answered.append(page)
        if hold:
            self.held.set()
            self.stopped.wait()
            return
        body = "".join(f'<a href="/{link}">{link}</a>' for link in links(page)).encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def close(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
