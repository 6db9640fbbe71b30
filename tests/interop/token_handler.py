"""A handler that echoes what names a request: token_handler.py SEND_SPEC RECV_SPEC [...], a pair
for each server. Prints `ready` when no reply can be lost any more."""
import json
import sys

import zmq

specs = sys.argv[1:]
pairs = list(zip(specs[::2], specs[1::2]))
context = zmq.Context()
# XPUB shows subscriptions: requests are asked for only when their answers have somewhere to go.
replies = context.socket(zmq.XPUB)
replies.xpub_verbose = 1
requests = context.socket(zmq.PULL)
# What is taken ahead dies with this process.
requests.rcvhwm = 16
for socket in (replies, requests):
    socket.linger = 0
    socket.reconnect_ivl = 20
    socket.reconnect_ivl_max = 200
for _, recv_spec in pairs:
    replies.connect(recv_spec)
for _ in pairs:
    assert replies.recv()[:1] == b"\x01"
for send_spec, _ in pairs:
    requests.connect(send_spec)
print("ready", flush=True)

while True:
    sender, conn_id, _path, rest = requests.recv().split(b" ", 3)
    length, rest = rest.split(b":", 1)
    headers = json.loads(rest[: int(length)])
    if headers["METHOD"] == "JSON":
        continue
    length, rest = rest[int(length) + 1 :].split(b":", 1)
    body = b"%s %s %s" % (headers["METHOD"].encode(), headers["x-token"].encode(), rest[: int(length)])
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    replies.send(b"%s %d:%s, %s%s" % (sender, len(conn_id), conn_id, head, body))
