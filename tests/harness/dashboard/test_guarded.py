"""The dashboard's own database and its password."""

import stat
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from harness.dashboard import guarded


@pytest.mark.usefixtures("mongo_server")
def test_the_database_opens_to_who_may_read_its_password_and_no_other_database_does(tmp_path: Path) -> None:
    folder = tmp_path / "database"
    with guarded.server(folder) as address, MongoClient(address) as client:
        client["conas"]["runs"].insert_one({"_id": 1})
        with pytest.raises(OperationFailure):
            client["another"]["runs"].insert_one({"_id": 1})
        with MongoClient(*client.address) as stranger, pytest.raises(OperationFailure):
            stranger["conas"]["runs"].find_one()
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
    (folder / "password").unlink()  # as a first start leaves it that is killed
    with guarded.server(folder) as again, MongoClient(again) as client:
        assert client["conas"]["runs"].find_one() == {"_id": 1}
    assert again != address
