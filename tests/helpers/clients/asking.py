"""Ask one call after the other and say of each, as a line of JSON, whether its answer was right.

The scripts beside this file run in an environment of their client's own, where nothing of Forewalk is installed:
`SCRIPT URL WS_URL CONTROL_URL`. They use the standard library and their client alone.
"""

import json
import sys
from urllib.request import Request, urlopen

PATIENCE_S = 30


def addresses():
    """The simulator's addresses: of its HTTP calls, of its order stream, of its control port."""
    return sys.argv[1:4]


def control(url, name, **body):
    """Say a command to the control port."""
    request = Request(f"{url}/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def told(name, right, said, must_be_refused=False):
    line = {"call": name, "right": bool(right), "refused": must_be_refused, "said": str(said)[:300]}
    print(json.dumps(line), flush=True)


def ask(name, call, right):
    """Make a call; right is what its answer must satisfy. Returns the answer, None where it raised."""
    try:
        answer = call()
        told(name, right(answer), answer)
    except Exception as problem:  # noqa: BLE001  whatever a client raises is an answer that was not right
        told(name, False, f"{type(problem).__name__}: {problem}")
        return None
    return answer


def refused(name, call, word):
    """Make a call that must be refused in such a way that nobody takes it for an answer."""
    try:
        answer = call()
    except Exception as problem:  # noqa: BLE001  each client has errors of its own
        told(name, word in f"{type(problem).__name__} {problem}", problem, must_be_refused=True)
        return
    told(name, False, answer, must_be_refused=True)
