"""What is loaded into Omniboard before it starts, in a server of node's own."""

import json
import os
import shutil
import subprocess
from base64 import b64encode
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
  for (const headers of JSON.parse(process.env.HEADERS)) {
    const request = { port: server.address().port, host: '127.0.0.1', path: '/', headers };
    await new Promise(done => http.get(request, response => {
      answers.push(response.statusCode);
      response.resume().on('end', done);
    }));
  }
  console.log(JSON.stringify(answers));
  process.exit(0);
});
"""
PLOT = """
const http = require('http');
const server = http.createServer((request, response) => response.end('nothing'));
server.listen(0, () => http.get({ port: server.address().port, host: '127.0.0.1', path: process.argv[2] }, response => {
  let text = '';
  response.on('data', part => (text += part));
  response.on('end', () => (console.log(text), process.exit(0)));
}));
"""
DRAW = """
const window = { innerWidth: 390 };
const plot = (d, w, h, y) => BEFORE({data:d,layout:{width:w,height:h,title:"Metrics Plot",yaxis:y}});
const BEFORE = made => made;
const curves = names => names.map(name => ({ name }));
for (const names of JSON.parse(process.env.CURVES))
  console.log(JSON.stringify(plot(curves(names), 800, 400, { type: 'log' })));
"""
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="NO node, WHAT OMNIBOARD SERVES IS NOT TESTED")


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_only_addresses_and_names_of_our_own_are_answered_wherever_it_listens(bound: str) -> None:
    headers = [{"host": host} for host in HOSTS]
    assert answers(headers, HOST=bound, NAMES="lab.example") == list(HOSTS.values())


def test_a_login_is_asked_of_every_request_if_there_is_one() -> None:
    logins = ["ann:secret", "ann:secret2", "bob:secret", "", None]
    headers = [
        {} if login is None else {"authorization": f"Basic {b64encode(login.encode()).decode()}"} for login in logins
    ]
    assert answers(headers, OMNIBOARD_LOGIN="ann:secret") == [200, 401, 401, 401, 401]
    assert answers(headers, OMNIBOARD_LOGIN="") == [200] * 5


def answers(headers: list[dict[str, str]], **environment: str) -> list[int]:
    """The status of the answer to a request with each of these headers."""
    command = ["node", "--require", str(PRELOAD), "-e", ASK]
    variables = {**os.environ, **environment, "HEADERS": json.dumps(headers)}
    asked = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert asked.stdout, asked.stderr
    return list(json.loads(asked.stdout))


def test_files_of_runs_run_no_scripts() -> None:
    asked = subprocess.run(
        ["node", "--require", str(PRELOAD), "-e", PROGRAM], capture_output=True, text=True, timeout=60
    )
    assert asked.stdout.splitlines() == [
        "/sacred/api/v1/files/preview/5/x.svg 200 sandbox nosniff",
        "/api/v1/Runs/5 200 undefined undefined",
    ], asked.stderr


def test_curves_of_two_units_have_two_axes_in_the_page_that_is_served(tmp_path: Path) -> None:
    start, program = tmp_path / "dist" / "start.js", tmp_path / "web/build/static/js/main.0f.js"
    for path, text in ((start, PLOT), (program, DRAW)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    command = ["node", "--require", str(PRELOAD), str(start), "/static/js/main.0f.js"]
    served = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    curves = [["final.test_loss", "final.test_error", "final.test_error.unsmoothed"], ["final.test_error"]]
    environment = {**os.environ, "CURVES": json.dumps(curves)}
    drawn = subprocess.run(["node", "-e", served], env=environment, capture_output=True, text=True, timeout=60)
    both, one = map(json.loads, drawn.stdout.splitlines())
    assert [trace.get("yaxis") for trace in both["data"]] == [None, "y2", "y2"], drawn.stderr
    axes = [(both["layout"][name]["title"], both["layout"][name]["type"]) for name in ("yaxis", "yaxis2")]
    assert axes == [("loss (nats)", "log"), ("error (%)", "log")]
    assert one["data"] == [{"name": "final.test_error"}]
    assert one["layout"]["yaxis"]["title"] == "error (%)"
    assert "yaxis2" not in one["layout"]
