"""`python -m bench [section…]`: takes all figures, or those of some sections, and writes RESULTS.md."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace

from bench import api_requests, chat, deadlines, encoder_delay, function_costs, latency, machine, results, worker_costs

SECTIONS = {
    "latency": latency.run,
    "worker": worker_costs.run,
    "encoder": encoder_delay.run,
    "functions": function_costs.run,
    "api": api_requests.run,
    "chat": chat.run,
    "deadlines": deadlines.run,
}


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        print(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to stop, as with Ctrl-C, it takes everything down
    kept = results.load()
    for name in wanted or SECTIONS:
        busy = os.getloadavg()[0]
        note = f" (load {busy:.1f}: something else runs here)" if busy > 1 else ""
        print(f"bench: {name}{note}", flush=True)
        began = time.monotonic()
        kept.sections[name] = replace(SECTIONS[name](), load_before=round(busy, 1))
        kept.machine = machine.describe()
        results.save(kept, list(SECTIONS))  # at once, so that an interrupted run keeps what it has
        print(f"bench: {name} took {time.monotonic() - began:.0f} s", flush=True)
    print(f"bench: {results.PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
