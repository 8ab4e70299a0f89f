"""What a request to the REST API costs beside the same work in a bare FastAPI app, and what its lists cost in SQL."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import botocore.session

from bench.figures import Figure, Section, Table
from bench.function_costs import deployment
from tests.postgres_server import postgres_server
from tests.stream_rows import write_many

CALLS, ROUNDS = 200, 5
STREAMS, LIVE = 100_000, 1_000
PEER = "bare FastAPI"
MOST_OF_PEER = 1.25
MOST_SQL_MS = 10.0

Times = dict[str, dict[str, list[list[float]]]]


def run() -> Section:
    with (
        tempfile.TemporaryDirectory() as folder,
        deployment(Path(folder)) as environment,
        postgres_server() as postgres,
    ):
        write_many(postgres.plain_url, streams=STREAMS, live=LIVE, owners=50_000)
        _tell_where_the_database_is(environment, postgres.url)
        done = subprocess.run(
            [sys.executable, "-m", "bench.api_process", str(CALLS), str(ROUNDS)],
            env={
                **environment,
                "REGISTRATIONS_PER_MINUTE": "1000000",
                "LOGINS_PER_MINUTE": "1000000",
                "STREAMS_PER_USER": "1000000",
            },
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-4000:])
        found = json.loads(done.stdout.splitlines()[-1])
    times: Times = found["times"]
    figures = [
        Figure(
            name=f"{name}, p50",
            unit="ms",
            ours=[statistics.median(taken) for taken in sides["ours"]],
            peer_name=PEER,
            peer=[statistics.median(taken) for taken in sides["peer"]],
            most_of_peer=MOST_OF_PEER,
        )
        for name, sides in times.items()
    ]
    sql: dict[str, list[float]] = found["sql"]
    shortest = sql["everything, newest"]
    figures += [
        Figure(
            name=f"SQL of a list: {name}",
            unit="ms",
            ours=taken,
            peer_name="the newest 25",
            peer=shortest,
            most=MOST_SQL_MS,
        )
        for name, taken in sql.items()
    ]
    method = (
        f"{STREAMS:,} streams, {LIVE:,} of them live, in PostgreSQL; redis-server; DynamoDB played by a moto server. One "
        f"worker process answers one request at a time through Mangum, in {ROUNDS} rounds of {CALLS} (login a quarter, create "
        "half as many), by turns with a bare FastAPI app that runs the very same statements and the same calls of Redis, "
        "DynamoDB and Argon2, and answers through the same models. Lists are of 25; SQL is all that one list executes, "
        "measured at the client."
    )
    return Section(
        title="API",
        taken_on=date.today().isoformat(),  # noqa: DTZ011
        method=method,
        figures=figures,
        tables=[_throughput(times)],
    )


def _throughput(times: Times) -> Table:
    rows = []
    for name, sides in times.items():
        cells = [name]
        for side in ("ours", "peer"):
            taken = [each for batch in sides[side] for each in batch]
            p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
            cells += [f"{1000 / statistics.fmean(taken):.0f}", f"{p50:.1f} ms", f"{p99:.1f} ms"]
        rows.append(cells)
    head = ["", "Headwater: requests a second", "p50", "p99", f"{PEER}: requests a second", "p50", "p99"]
    return Table(title="One process, one request at a time:", head=head, rows=rows)


def _tell_where_the_database_is(environment: dict[str, str], url: str) -> None:
    session = botocore.session.get_session()
    session.set_credentials("testing", "testing")
    manager: Any = session.create_client(
        "secretsmanager", region_name="eu-west-1", endpoint_url=environment["AWS_ENDPOINT_URL"]
    )
    manager.create_secret(Name="database", SecretString=json.dumps({"url": url}))
