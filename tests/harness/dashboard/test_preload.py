"""What is loaded into Omniboard before it starts, in a server of node's own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PRELOAD = Path(__file__).parents[3] / "harness" / "dashboard" / "assets" / "preload.js"
PROGRAM = """
const http = require('http');
const server = http.createServer((request, response) => response.end('<svg/>'));
server.listen(0, async () => {
  for (const path of ['/sacred/api/v1/files/preview/5/x.svg', '/api/v1/Runs/5'])
    await new Promise(done => http.get({ port: server.address().port, host: '127.0.0.1', path }, response => {
      const { 'content-security-policy': policy, 'x-content-type-options': types } = response.headers;
      console.log(path, response.statusCode, policy, types);
      response.resume().on('end', done);
    }));
  process.exit(0);
});
"""
HOSTS = {
    "127.0.0.1:9000": 200,
    "LOCALHOST": 200,
    "[::1]:9000": 200,
    "10.1.2.3:9000": 200,
    "lab.example:9000": 200,
    "elsewhere.example:9000": 403,
    "127.0.0.1.elsewhere.example": 403,
}
ASK = """
const http = require('http');
const server = http.createServer((request, response) => response.end());
server.listen(0, async () => {
  const answers = [];
  for (const host of JSON.parse(process.env.HOSTS)) {
    const request = { port: server.address().port, host: '127.0.0.1', path: '/api/v1/Runs', headers: { host } };
    await new Promise(done => http.get(request, response => {
      answers.push(response.statusCode);
      response.resume().on('end', done);
    }));
  }
  console.log(JSON.stringify(answers));
  process.exit(0);
});
"""
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="NO node, WHAT OMNIBOARD SERVES IS NOT TESTED")


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_only_addresses_and_names_of_our_own_are_answered_wherever_it_listens(bound: str) -> None:
    environment = {**os.environ, "HOST": bound, "NAMES": "lab.example", "HOSTS": json.dumps(list(HOSTS))}
    command = ["node", "--require", str(PRELOAD), "-e", ASK]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert json.loads(asked.stdout) == list(HOSTS.values()), asked.stderr


def test_files_of_runs_run_no_scripts() -> None:
    asked = subprocess.run(
        ["node", "--require", str(PRELOAD), "-e", PROGRAM], capture_output=True, text=True, timeout=60
    )
    assert asked.stdout.splitlines() == [
        "/sacred/api/v1/files/preview/5/x.svg 200 sandbox nosniff",
        "/api/v1/Runs/5 200 undefined undefined",
    ], asked.stderr
