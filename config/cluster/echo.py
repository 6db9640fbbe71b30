"""A handler of several servers that echoes each request: echo.py SEND_SPEC RECV_SPEC [...], a pair
for each server. The answer is the method, the field X-Token and the body. Takes pyzmq."""
import json
import sys

import zmq

context = zmq.Context()
poller = zmq.Poller()


class Server:
    """Sockets of its own for each server: an answer must not go to another one."""

    def __init__(self, send_spec, recv_spec):
        self.send_spec = send_spec
        # XPUB shows subscriptions coming and going: requests are taken only while their answers
        # have somewhere to go. What PUB sends before that is lost.
        self.replies = context.socket(zmq.XPUB)
        self.requests = context.socket(zmq.PULL)
        # What is taken ahead dies with this process; what the server keeps goes to another.
        self.requests.rcvhwm = 16
        for socket in (self.replies, self.requests):
            socket.linger = 0
            socket.reconnect_ivl = 20
            socket.reconnect_ivl_max = 200
            poller.register(socket, zmq.POLLIN)
        self.replies.connect(recv_spec)

    def subscribed(self, event):
        if event[:1] == b"\x01":
            self.requests.connect(self.send_spec)
            print("ready", self.send_spec, flush=True)
        else:
            # A server that has been restarted counts its connections from 1 again.
            self.requests.disconnect(self.send_spec)

    def answer(self, message):
        sender, conn_id, _path, rest = message.split(b" ", 3)
        length, rest = rest.split(b":", 1)
        headers = json.loads(rest[: int(length)])
        if headers["METHOD"] == "JSON":
            return
        length, rest = rest[int(length) + 1 :].split(b":", 1)
        method, token = headers["METHOD"].encode(), headers.get("x-token", "").encode()
        body = b"%s %s %s" % (method, token, rest[: int(length)])
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.replies.send(b"%s %d:%s, %s%s" % (sender, len(conn_id), conn_id, head, body))


specs = sys.argv[1:]
servers = [Server(*pair) for pair in zip(specs[::2], specs[1::2])]
while True:
    ready = dict(poller.poll())
    for server in servers:
        if server.replies in ready:
            server.subscribed(server.replies.recv())
        if server.requests in ready:
            server.answer(server.requests.recv())
