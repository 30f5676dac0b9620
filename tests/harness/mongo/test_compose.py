"""What people start with Docker, read as Docker reads it; there may be no Docker engine here."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.dashboard import services
from harness.mongo.database import Database
from tests.debian import NotInstalledError, ensure

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def compose():
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    try:
        ensure(["docker-compose"], ["docker-compose"])
    except NotInstalledError as error:
        pytest.skip(f"NO docker-compose, THE COMPOSE FILE IS NOT VALIDATED: {error}")
    return ["docker-compose"]


def config(compose, environment):
    command = [*compose, "--project-directory", str(ROOT), "--file", str(ROOT / "docker-compose.yml"), "config"]
    return subprocess.run(
        command, env={"PATH": "/usr/bin:/bin:/usr/local/bin", **environment}, capture_output=True, text=True
    )


def settings(text):
    lines = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


@pytest.fixture(scope="module")
def services_of(compose):
    example = settings((ROOT / ".env.example").read_text())
    result = config(compose, {**example, "MONGO_PASSWORD": "secret"})
    assert result.returncode == 0, result.stderr
    return yaml.safe_load(result.stdout)["services"]


def test_the_example_must_be_given_a_password(compose):
    result = config(compose, settings((ROOT / ".env.example").read_text()))
    assert result.returncode != 0
    assert "set MONGO_PASSWORD in .env" in result.stderr


def test_images_have_versions(services_of):
    for service in services_of.values():
        assert re.search(r":\d+\.\d+\.\d+$", service["image"])


def test_every_port_is_bound_to_loopback(services_of):
    for service in services_of.values():
        for port in service["ports"]:
            address = port.split(":")[0] if isinstance(port, str) else port["host_ip"]
            assert address == "127.0.0.1"


def test_every_service_has_a_health_check_and_data_a_named_volume(services_of):
    assert all(service["healthcheck"]["test"] for service in services_of.values())
    assert str(services_of["mongo"]["volumes"]).count("mongo-data") == 1


def test_omniboards_address_is_one_that_the_harness_reads(services_of):
    url = services_of["omniboard"]["environment"]["MONGO_URI"]
    assert Database(url).name == "mongo:27017/conas"


def test_the_image_holds_the_version_that_the_dashboard_installs():
    recipe = (ROOT / "harness" / "dashboard" / "assets" / "Dockerfile").read_text()
    assert f"npm install --no-audit --no-fund {services.OMNIBOARD} " in recipe
    assert services.OMNIBOARD.replace("@", ":") in (ROOT / "docker-compose.yml").read_text()
