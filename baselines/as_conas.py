"""The measurements of searches that are given as many as CoNAS takes, in all of its stages."""

CONNECT = "as CoNAS, section 4.3"
SIZES = {
    "text": {"connect": True, "m": 2000},
    "smoke": {"m": 30},
    "smoke/text": {"m": 60},
    "laptop/text": {"m": 600},
    "release/image": {"m": 3000},
}
SOURCES = {"text": {"connect": CONNECT, "m": "as both stages of CoNAS, section 4.3"}}
