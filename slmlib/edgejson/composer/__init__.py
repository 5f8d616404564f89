"""The composer: sound new schemas of any tier from typed entities, with records and texts.

`compose` makes a blueprint, `sample` draws a record of it, `write` puts the record into words. The
entities stand in `entities`, their files are read by `catalogue` and checked by `audit`.
"""

from slmlib.edgejson.composer.blueprints import compose, roots
from slmlib.edgejson.composer.instances import Blueprint, Instance, sample
from slmlib.edgejson.composer.layouts import registers, write

__all__ = ["Blueprint", "Instance", "compose", "registers", "roots", "sample", "write"]
