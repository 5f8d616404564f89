"""EdgeJSON: text and a JSON Schema in, JSON out."""

EXPORTS = {"Extractor": "extractor"}  # of `slmlib`, and the module of this package that has it
COMMANDS = {  # of `slmbench`: the module, and a line of help
    "extract": ("extractor", "fill a JSON Schema from a text"),
    "data edgejson": ("generate.dataset", "write more training cases"),
    "show edgejson": ("generate.preview_cases", "show and prove the cases of a schema"),
    "compose edgejson": ("generate.composer.command", "check entities, show composed cases"),
    "teach edgejson": ("generate.teacher", "have a language model rewrite texts"),
}
