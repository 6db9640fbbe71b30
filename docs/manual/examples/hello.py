"""A whole handler: says hello to every request."""
import json
import sys

import zmq

SEND_SPEC, RECV_SPEC = sys.argv[1:] or ("tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996")

context = zmq.Context()
# Replies first: what is published before the server has subscribed is lost.
replies = context.socket(zmq.PUB)
replies.connect(RECV_SPEC)
requests = context.socket(zmq.PULL)
requests.connect(SEND_SPEC)

while True:
    sender, conn_id, path, rest = requests.recv().split(b" ", 3)
    length, rest = rest.split(b":", 1)
    headers = json.loads(rest[: int(length)])
    if headers["METHOD"] == "JSON":  # a client left; nobody waits for an answer
        continue
    body = b"Hello from Python, you asked for %s\n" % path
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    replies.send(b"%s %d:%s, %s%s" % (sender, len(conn_id), conn_id, head, body))
