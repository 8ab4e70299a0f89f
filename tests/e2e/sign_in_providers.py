"""The OpenID providers that the end-to-end tests' stack is told of: their ports are known before they run.

For a stack that is kept running: `python -m tests.e2e.sign_in_providers FOLDER OFFSET` prints the file to name in
HEADWATER_SIGN_IN_PROVIDERS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

CLIENT_ID = "headwater"
CLIENT_SECRET = "a secret of the client's"
HONEST_PORT = 9400
ATTACKERS_PORT = 9401
# Another site than ours at 127.0.0.1, as a provider is: a browser keeps more cookies back on the way from there.
HONEST_HOST = "localhost"


def sign_in_providers_file(folder: Path, port_offset: int) -> Path:
    """`acme` is honest; `evil` was, when it was configured."""
    honest = f"http://{HONEST_HOST}:{HONEST_PORT + port_offset}"
    acme = {"label": "Acme", "issuer": honest, "client_secret": CLIENT_SECRET}
    evil = {"label": "Evil", "issuer": f"http://127.0.0.1:{ATTACKERS_PORT + port_offset}"}
    file = folder / "sign-in-providers.json"
    file.write_text(
        json.dumps([{"name": "acme", "client_id": CLIENT_ID, **acme}, {"name": "evil", "client_id": CLIENT_ID, **evil}])
    )
    return file


if __name__ == "__main__":
    print(sign_in_providers_file(Path(sys.argv[1]), int(sys.argv[2])))
