"""One function in a fresh interpreter: `python -m bench.handler_process module calls < event`; its costs in CPU seconds.

Nothing is imported here that the function could need, or its import would look cheaper than it is.
"""

import sys
import time


def main() -> None:
    name, calls = sys.argv[1], int(sys.argv[2])
    text = sys.stdin.read()
    began = time.process_time()
    module = __import__(name, fromlist=["handler"])
    imported = time.process_time()
    import json

    event = json.loads(text)
    asked = time.process_time()
    answer = module.handler(event, None)
    answered = time.process_time()
    for _ in range(calls // 10):
        module.handler(event, None)
    warm = time.process_time()
    for _ in range(calls):
        module.handler(event, None)
    ended = time.process_time()
    costs = {"import": imported - began, "first_call": answered - asked, "call": (ended - warm) / calls}
    print("\n" + json.dumps({**costs, "status": answer["statusCode"]}))


main()
