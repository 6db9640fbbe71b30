"""A handler that ends without losing a request: on SIGTERM it drains."""
import json
import signal
import sys

import zmq

SEND_SPEC, RECV_SPEC = sys.argv[1:] or ("tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996")

stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
context = zmq.Context()
replies = context.socket(zmq.XPUB)
replies.connect(RECV_SPEC)
replies.recv()  # the server has subscribed: no answer is lost
requests = context.socket(zmq.PULL)
requests.RCVTIMEO = 2000
requests.connect(SEND_SPEC)

while True:
    try:
        sender, conn_id, path, rest = requests.recv().split(b" ", 3)
    except zmq.Again:
        if stopping:  # nothing comes, so nothing is lost
            break
        continue
    length, rest = rest.split(b":", 1)
    if json.loads(rest[: int(length)])["METHOD"] == "JSON":
        if b'{"type":"drained"}' in rest:  # that was all
            break
        continue
    to = b"%s %d:%s, " % (sender, len(conn_id), conn_id)
    if stopping:  # before the answer: the request says who we are
        ids = b"X " + conn_id
        replies.send(b"%s %d:%s, 25:3:ctl,15:5:drain,4:true!}]" % (sender, len(ids), ids))
    replies.send(to + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n")
context.destroy(linger=5000)  # the answers are written first
