"""A libzmq peer for tests: libzmq.py ROLE SEND_SPEC RECV_SPEC [OPTION=VALUE...]

echo     PULL from SEND_SPEC, PUB each message back to RECV_SPEC; one line `ready` when connected.
watch    PULL from SEND_SPEC; one line per end of a handshake: the event's name and value.
hoard    PULL from SEND_SPEC and answer nothing; one line per message.
ask      REQ to SEND_SPEC: one reply line per line of input.
publish  PUB to RECV_SPEC, once it has subscribed: as many bytes as a line of input says.

Options: heartbeat=MILLISECONDS, hwm=MESSAGES, identity=NAME, user=NAME and password=TEXT for PLAIN,
server=KEY for CURVE, with secret=KEY or a new one.

Lines for the test begin with `peer: `. zeromq_crate.rs plays the roles that need no option but identity.
"""
import sys
import zmq
from zmq.utils.monitor import recv_monitor_message

role, send_spec, recv_spec = sys.argv[1:4]
options = dict(option.split("=", 1) for option in sys.argv[4:])
context = zmq.Context()
monitor = context.socket(zmq.PAIR)
MONITOR = "inproc://monitor"


def say(*words):
    print("peer:", *words, flush=True)


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
    if "user" in options:
        socket.plain_username = options["user"].encode()
        socket.plain_password = options["password"].encode()
    if "server" in options:
        public, secret = zmq.curve_keypair()
        if "secret" in options:
            secret = options["secret"].encode()
            public = zmq.curve_public(secret)
        socket.curve_serverkey = options["server"].encode()
        socket.curve_publickey = public
        socket.curve_secretkey = secret
    if role == "watch":
        socket.monitor(MONITOR, zmq.EVENT_ALL)
        monitor.connect(MONITOR)
    socket.connect(spec)
    return socket


if role == "echo":
    requests = connected(zmq.PULL, send_spec)
    replies = connected(zmq.XPUB, recv_spec)
    subscription = replies.recv()
    say("ready", subscription.hex())
    while True:
        message = requests.recv()
        if message == b"multipart":
            replies.send_multipart([b"part one", b"part two"])
        else:
            replies.send(message)
elif role == "watch":
    watched = connected(zmq.PULL, send_spec)
    say("ready")
    while True:
        event = recv_monitor_message(monitor)
        kind = zmq.Event(event["event"])
        if "HANDSHAKE" in kind.name:
            say(kind.name, event["value"])
elif role == "hoard":
    requests = connected(zmq.PULL, send_spec)
    say("ready")
    while True:
        say(requests.recv().decode())
elif role == "publish":
    replies = connected(zmq.XPUB, recv_spec)
    replies.recv()
    for line in sys.stdin:
        replies.send(bytes(int(line)))
elif role == "ask":
    port = connected(zmq.REQ, send_spec)
    say("ready")
    for line in sys.stdin:
        port.send(line.strip().encode())
        say(port.recv().decode())
