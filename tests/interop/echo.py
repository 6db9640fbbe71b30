"""A handler that tests drive: tells what it receives, sends what it is told.

usage: echo.py SEND_SPEC RECV_SPEC [--echo]

Standard output, one JSON object per line; bytes are base64:
  {"subscribed": "..."}  the server's SUB socket is there and wants messages with that prefix;
                         from now on no reply is lost
  {"unsubscribed": "..."}
  {"received": "...", "sender": "...", "id": "7", "path": "/h", "headers": {...}, "body": "..."}
  {"received": "...", "fault": "..."}            a message that is no request message
Standard input, one JSON object per line:
  {"send": "..."}                                these bytes, as one message
  {"reply": "...", "sender": "...", "ids": ["7"]}  these bytes, addressed
  {"quit": true}                                 so does the end of the input
With --echo each request is also answered at once: 200, and its own body.
"""
import base64
import json
import os
import sys

import zmq


def text(data):
    return base64.b64encode(data).decode("ascii")


def tell(event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def netstring(data):
    """Splits `N:payload,` or `N:payload}` from the front: payload, type byte, rest."""
    length, rest = data.split(b":", 1)
    end = int(length)
    if len(rest) <= end:
        raise ValueError("a netstring ends early")
    return rest[:end], rest[end : end + 1], rest[end + 1 :]


def value(data):
    """Decodes the tnetstring at the front of `data`: value, rest."""
    payload, kind, rest = netstring(data)
    if kind == b",":
        return payload.decode("latin-1"), rest
    if kind == b"]":
        items = []
        while payload:
            item, payload = value(payload)
            items.append(item)
        return items, rest
    if kind == b"}":
        pairs = {}
        while payload:
            key, payload = value(payload)
            pairs[key], payload = value(payload)
        return pairs, rest
    raise ValueError("type %r in the headers" % kind)


def parse(message):
    sender, conn_id, path, rest = message.split(b" ", 3)
    payload, kind, after = netstring(rest)
    headers = value(rest)[0] if kind == b"}" else json.loads(payload)
    body, comma, trailing = netstring(after)
    if comma != b"," or trailing:
        raise ValueError("the message goes on after the body")
    return sender, conn_id, path, headers, body


def addressed(sender, ids, body):
    return b"%s %d:%s, %s" % (sender, len(ids), ids, body)


def main():
    specs = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    context = zmq.Context()
    requests = context.socket(zmq.PULL)
    # XPUB is PUB that also says who subscribed: a test can wait for that instead of sleeping.
    replies = context.socket(zmq.XPUB)
    for socket, spec in ((requests, specs[0]), (replies, specs[1])):
        socket.linger = 1000
        socket.connect(spec)
    poller = zmq.Poller()
    for source in (requests, replies, sys.stdin.fileno()):
        poller.register(source, zmq.POLLIN)
    pending = b""
    while True:
        ready = dict(poller.poll())
        if replies in ready:
            event = replies.recv()
            tell({"subscribed" if event[:1] == b"\x01" else "unsubscribed": text(event[1:])})
        if requests in ready:
            take(requests.recv(), replies)
        if sys.stdin.fileno() in ready:
            chunk = os.read(sys.stdin.fileno(), 65536)
            pending += chunk
            *lines, pending = pending.split(b"\n")
            if not chunk or any(obey(line, replies) for line in lines if line.strip()):
                break
    context.destroy()


def take(message, replies):
    try:
        sender, conn_id, path, headers, body = parse(message)
    except (ValueError, UnicodeDecodeError) as fault:
        tell({"received": text(message), "fault": str(fault)})
        return
    tell(
        {
            "received": text(message),
            "sender": sender.decode("latin-1"),
            "id": conn_id.decode("latin-1"),
            "path": path.decode("latin-1"),
            "headers": headers,
            "body": text(body),
        }
    )
    if "--echo" in sys.argv and headers.get("METHOD") != "JSON":
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        replies.send(addressed(sender, conn_id, head + body))


def obey(line, replies):
    """Does what one line of input says; True means quit."""
    command = json.loads(line)
    if "send" in command:
        replies.send(base64.b64decode(command["send"]))
    elif "reply" in command:
        ids = " ".join(str(conn_id) for conn_id in command["ids"]).encode("latin-1")
        body = base64.b64decode(command["reply"])
        replies.send(addressed(command["sender"].encode("latin-1"), ids, body))
    return bool(command.get("quit"))


if __name__ == "__main__":
    main()
