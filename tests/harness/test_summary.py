from harness.config.load import load
from harness.execution.summary import _time


def test_settings_that_another_profile_cannot_have_stop_no_announcement() -> None:
    config = load({"dataset": "digits", "profile": "laptop", "search": {"s": 50}})
    assert _time(config, "smoke").strip() == "not with these settings"
