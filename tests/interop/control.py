"""Asks the control port at SPEC what each line of standard input says, and prints the answers."""

import sys

import zmq

ask = zmq.Context.instance().socket(zmq.REQ)
ask.setsockopt(zmq.RCVTIMEO, 20000)
ask.setsockopt(zmq.LINGER, 0)
ask.connect(sys.argv[1])
for line in sys.stdin.buffer:
    ask.send(line.rstrip(b"\n"))
    print(ask.recv().decode(), flush=True)
