"""The phrase tables of EdgeJSON, by `<schema>.<field>` or `<entity>.<field>`."""

from pathlib import Path

from slmlib.textgen.phrase_tables import PhraseTables

_GENERATE = Path(__file__).parent / "generate"
PHRASES = PhraseTables(_GENERATE / "designed" / "texts", _GENERATE / "entities")
