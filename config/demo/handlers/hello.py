"""The demo's handler in Python: answers /python. Needs pyzmq."""
import json
import os
import sys

import zmq

context = zmq.Context()
# Replies first: what is published before the server has subscribed is lost.
replies = context.socket(zmq.PUB)
replies.connect("ipc://run/python.replies")
requests = context.socket(zmq.PULL)
requests.connect("ipc://run/python.requests")

while True:
    sender, conn_id, path, rest = requests.recv().split(b" ", 3)
    length, rest = rest.split(b":", 1)
    headers = json.loads(rest[: int(length)])
    if headers["METHOD"] == "JSON":  # a client left; nobody waits for an answer
        continue
    body = "Hello from Python %s, process %d.\nYou are %s and asked for %s.\n" % (
        sys.version.split()[0], os.getpid(), headers["REMOTE_ADDR"], headers["URI"])
    body = body.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    replies.send(b"%s %d:%s, %s%s" % (sender, len(conn_id), conn_id, head, body))
