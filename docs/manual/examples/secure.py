"""A handler with a key: secure.py SERVER_KEY SECRET_KEY_FILE [SEND_SPEC RECV_SPEC]"""
import json
import sys

import zmq

server_key, key_file = sys.argv[1:3]
send_spec, recv_spec = sys.argv[3:] or ("tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996")
secret_key = open(key_file, "rb").read().strip()

def connect(kind, spec):
    socket = zmq.Context.instance().socket(kind)
    socket.curve_serverkey = server_key.encode()
    socket.curve_secretkey = secret_key
    socket.curve_publickey = zmq.curve_public(secret_key)
    socket.connect(spec)
    return socket

replies, requests = connect(zmq.PUB, recv_spec), connect(zmq.PULL, send_spec)
while True:
    sender, conn_id, path, rest = requests.recv().split(b" ", 3)
    length, rest = rest.split(b":", 1)
    if json.loads(rest[: int(length)])["METHOD"] == "JSON":  # a client left
        continue
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, CURVE"
    replies.send(b"%s %d:%s, %s" % (sender, len(conn_id), conn_id, answer))
