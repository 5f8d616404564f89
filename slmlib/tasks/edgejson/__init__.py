"""EdgeJSON: text and a JSON Schema in, JSON out. How its data are made, checked, asked and scored."""

EXPORTS = {"Extractor": "extractor"}  # of `slmlib`, and the module of this package that has it
COMMANDS = {  # of `slmbench`: the module, and a line of help
    "extract": ("extractor", "fill a JSON Schema from a text"),
    "data edgejson": ("generate.dataset", "write more EdgeJSON training cases"),
}
