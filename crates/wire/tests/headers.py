"""Reads request messages, one in hex a line; says what their JSON headers hold, undone, as JSON in hex."""
import json
import sys


def undone(text):
    """The bytes behind a string: U+EF80 to U+EFFF stand for single bytes."""
    out = bytearray()
    for character in text:
        if 0xEF80 <= ord(character) <= 0xEFFF:
            out.append(ord(character) & 0xFF)
        else:
            out += character.encode("utf-8")
    return out.hex()


def refuse(constant):
    raise ValueError("not JSON: " + constant)


for line in sys.stdin:
    _, _, _, rest = bytes.fromhex(line).split(b" ", 3)
    length, rest = rest.split(b":", 1)
    text = rest[: int(length)].decode("utf-8", "strict")
    pairs = json.loads(text, object_pairs_hook=list, parse_constant=refuse)
    read = [[undone(k), [undone(v) for v in ([v] if isinstance(v, str) else v)]] for k, v in pairs]
    print(json.dumps(read), flush=True)
