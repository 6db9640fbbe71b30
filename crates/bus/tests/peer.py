"""A libzmq peer for tests: peer.py ROLE SEND_SPEC RECV_SPEC [OPTION=VALUE...]

echo     PULL from SEND_SPEC, PUB each message back to RECV_SPEC; one line `ready` when connected.
hoard    PULL from SEND_SPEC and answer nothing; one line per message.
ask      REQ to SEND_SPEC: one reply line per line of input.
publish  PUB to RECV_SPEC, once it has subscribed: as many bytes as a line of input says.

Options: heartbeat=MILLISECONDS, hwm=MESSAGES, identity=NAME.
"""
import sys
import zmq

role, send_spec, recv_spec = sys.argv[1:4]
options = dict(option.split("=") for option in sys.argv[4:])
context = zmq.Context()


def connected(kind, spec):
    socket = context.socket(kind)
    socket.linger = 0
    socket.reconnect_ivl = 20
    if "heartbeat" in options:
        socket.heartbeat_ivl = int(options["heartbeat"])
        socket.heartbeat_timeout = 20 * int(options["heartbeat"])
        socket.heartbeat_ttl = 40 * int(options["heartbeat"])
    if "hwm" in options:
        socket.hwm = int(options["hwm"])
    if "identity" in options:
        socket.identity = options["identity"].encode()
    socket.connect(spec)
    return socket


if role == "echo":
    requests = connected(zmq.PULL, send_spec)
    replies = connected(zmq.XPUB, recv_spec)
    subscription = replies.recv()
    print("ready", subscription.hex(), flush=True)
    while True:
        message = requests.recv()
        if message == b"multipart":
            replies.send_multipart([b"part one", b"part two"])
        else:
            replies.send(message)
elif role == "hoard":
    requests = connected(zmq.PULL, send_spec)
    print("ready", flush=True)
    while True:
        print(requests.recv().decode(), flush=True)
elif role == "publish":
    replies = connected(zmq.XPUB, recv_spec)
    replies.recv()
    for line in sys.stdin:
        replies.send(bytes(int(line)))
elif role == "ask":
    port = connected(zmq.REQ, send_spec)
    print("ready", flush=True)
    for line in sys.stdin:
        port.send(line.strip().encode())
        print(port.recv().decode(), flush=True)
