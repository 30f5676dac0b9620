"""What people start with Docker, read as Docker reads it; there may be no Docker engine here."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.mongo.database import Database
from tests.debian import NotInstalledError, ensure

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / "harness" / "dashboard" / "assets"
PASSWORDS = {"MONGO_PASSWORD": "secret", "OMNIBOARD_PASSWORD": "another"}


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
    result = config(compose, {**example, **PASSWORDS})
    assert result.returncode == 0, result.stderr
    return yaml.safe_load(result.stdout)["services"]


@pytest.mark.parametrize("name", PASSWORDS)
def test_the_example_must_be_given_passwords(compose, name):
    result = config(compose, {**settings((ROOT / ".env.example").read_text()), **PASSWORDS, name: ""})
    assert result.returncode != 0
    assert f"set {name} in .env" in result.stderr


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


@pytest.mark.skipif(shutil.which("node") is None, reason="NO node, OMNIBOARD'S USER IS NOT TESTED")
def test_omniboards_user_may_read_and_write_the_runs_and_no_more(services_of):
    recorder = "const db = {getSiblingDB: on => ({createUser: user => console.log(JSON.stringify({on, user}))})};"
    environment = services_of["mongo"]["environment"]
    asked = subprocess.run(
        ["node", "-e", recorder + (ASSETS / "users.js").read_text()],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", **environment},
        capture_output=True,
        text=True,
    )
    made = json.loads(asked.stdout)
    user = made["user"]
    assert user["roles"] == [{"role": "readWrite", "db": "conas"}]
    address = f"mongodb://{user['user']}:{user['pwd']}@mongo:27017/{made['on']}"
    assert services_of["omniboard"]["environment"]["MONGO_URI"] == address


def test_the_image_is_called_after_the_version_that_is_locked(services_of):
    locked = json.loads((ASSETS / "package-lock.json").read_text())["packages"]["node_modules/omniboard"]
    assert services_of["omniboard"]["image"] == f"conas/omniboard:{locked['version']}"


def test_every_package_of_omniboard_is_locked_by_its_hash():
    packages = json.loads((ASSETS / "package-lock.json").read_text())["packages"]
    assert all(package.get("integrity") or package.get("inBundle") for name, package in packages.items() if name)


def test_an_image_takes_nothing_that_git_leaves_out():
    unwanted, left_out = ((ROOT / name).read_text().split("\n") for name in (".gitignore", ".dockerignore"))
    taken = {line.strip("/") for line in unwanted} - {line.removeprefix("**/") for line in left_out}
    assert taken == set()
