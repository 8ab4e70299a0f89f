"""A port that is taken is named, with what holds it."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path

import pytest

from localrun.plan import Ports, StackPlan
from localrun.port_holders import holder_of, is_free
from localrun.processes import ServiceFailed
from localrun.stack import check_ports


def test_a_listener_is_found_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        holder = holder_of(port)
        assert holder is not None
        assert holder.pid == os.getpid()
        assert "python" in holder.command
    assert is_free(port)
    assert holder_of(port) is None


def test_a_listener_on_every_address_takes_the_port_too() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert holder_of(port) is not None


def test_a_listener_whose_process_we_may_not_look_into_is_another_users(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n"
    )
    assert str(holder_of(8000, proc=tmp_path)) == "a process of another user"


def test_a_stack_does_not_start_on_a_taken_port_and_says_who_holds_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ports = dataclasses.replace(Ports.at_offset(40000), cdn=port)
        plan = StackPlan(run=tmp_path, data=tmp_path, scratch=tmp_path, offset=40000, ports=ports, external_aws=None)
        with pytest.raises(ServiceFailed, match=rf"{port} \(cdn\) is held by pid {os.getpid()} \(.*python") as refusal:
            check_ports(plan)
    assert "HEADWATER_PORT_OFFSET=40100" in str(refusal.value)
