"""What is loaded into Omniboard before it starts, in a server of node's own."""

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


@pytest.mark.skipif(shutil.which("node") is None, reason="NO node, WHAT OMNIBOARD SERVES IS NOT TESTED")
def test_files_of_runs_run_no_scripts() -> None:
    asked = subprocess.run(
        ["node", "--require", str(PRELOAD), "-e", PROGRAM], capture_output=True, text=True, timeout=60
    )
    assert asked.stdout.splitlines() == [
        "/sacred/api/v1/files/preview/5/x.svg 200 sandbox nosniff",
        "/api/v1/Runs/5 200 undefined undefined",
    ], asked.stderr
