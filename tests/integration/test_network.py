# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels by way of a company's network: its index behind a password, its own certificates, and its proxy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.hosts import HOME, LINKS, SETUP, on, said
from tests.integration.network import Authority, Server, https_server, proxy_server, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import NewMac
    from tests.integration.environments import SmallWheels
    from tests.simulated_mac.fleet import Mac

SECRET = "s3cr3t-of-the-fleet"


class Company:
    """An index for the user "fleet", a proxy before it for the user "staff", and the variables that name both."""

    def __init__(self, server: Server, proxy: Server, certificates: Path, lock: str) -> None:
        self.server, self.proxy = server, proxy
        self.variables: dict[str, Any] = {
            "tensorflow_environments": [{"name": "tf", "lock": lock, "gpu_check": "none"}],
            "tensorflow_free_mb": 10,
            "tensorflow_index_url": f"https://{server.address}/simple",
            "tensorflow_username": "fleet",
            "tensorflow_password": SECRET,
            "tensorflow_proxy": f"http://staff:proxy-{SECRET}@{proxy.address}",
            "tensorflow_ca": str(certificates),
        }


@pytest.fixture
def company(tmp_path: Path, small_wheels: SmallWheels) -> Iterator[Company]:
    for wheel in (small_wheels.alpha, small_wheels.beta):
        page = tmp_path / "simple" / wheel.requirement.partition("==")[0]
        page.mkdir(parents=True)
        (page / wheel.path.name).write_bytes(wheel.path.read_bytes())
        (page / "index.html").write_text(f'<a href="{wheel.path.name}">{wheel.path.name}</a>')
    authority = Authority(tmp_path)
    with (
        running(https_server(tmp_path, authority, "fleet", SECRET)) as server,
        running(proxy_server("staff", f"proxy-{SECRET}")) as proxy,
    ):
        lock = tmp_path / "lock.txt"
        index = f"--extra-index-url https://fleet:lock-{SECRET}@{server.address}/simple"
        lock.write_text(f"{index}\n{Path(small_wheels.lock).read_text()}")
        yield Company(server, proxy, authority.ca, str(lock))


@pytest.fixture
def host(mac: NewMac, managed_python_template: str) -> Mac:
    """A Mac with the managed Python, so that only wheels have to come."""
    return mac(f"m1-fresh@{managed_python_template}")


def test_wheels_come_by_proxy_certificates_and_password_which_never_show(host: Mac, company: Company) -> None:
    shown = [on(host, SETUP, "-vvvv", "--diff", *mode, **company.variables) for mode in (("--check",), ())]
    assert [run.recap[host.name]["changed"] for run in shown] == [1, 1]
    assert said(host, f"{LINKS}/tf/bin/python -c 'import alpha, beta; print(beta.VERSION)'") == "2.0\n"
    fetched = [path.rpartition("/")[2] for path in company.server.requests if path.endswith(".whl")]
    assert sorted(fetched) == ["alpha-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl"]
    assert set(company.proxy.requests) == {company.server.address}

    company.server.requests.clear()
    again = on(host, SETUP, **company.variables)
    assert (again.recap[host.name]["changed"], company.server.requests) == (0, [])

    for run in shown:
        assert SECRET not in run.output
    assert host.run(f"grep -rl {SECRET} {HOME} /private/tmp /private/var/log").stdout == ""


@pytest.mark.parametrize(
    ("changed", "evidence"),
    [
        ({"tensorflow_password": f"wrong-{SECRET}"}, "401"),
        ({"tensorflow_ca": ""}, "certificate"),
        ({"tensorflow_proxy": f"http://staff:wrong-{SECRET}@PROXY"}, "407"),
        ({"tensorflow_wheels": f"https://fleet:wheels-{SECRET}@SERVER/simple/alpha/"}, "401"),
    ],
    ids=["password", "certificates", "proxy", "wheels"],
)
def test_what_keeps_wheels_away_is_told_without_secrets(
    host: Mac, company: Company, changed: dict[str, str], evidence: str
) -> None:
    addresses = {"PROXY": company.proxy.address, "SERVER": company.server.address}
    for word, address in addresses.items():
        changed = {name: value.replace(word, address) for name, value in changed.items()}
    refused = on(host, SETUP, "-vvvv", check=False, **{**company.variables, **changed})
    assert refused.rc != 0
    assert evidence in refused.output
    assert SECRET not in refused.output
    assert host.run(f"ls {LINKS}/tf").returncode != 0
