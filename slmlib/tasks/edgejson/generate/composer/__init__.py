"""The composer: sound new schemas of any tier from typed entities, with records and texts.

`compose` makes a blueprint, `sample` draws a record of it, `write` puts the record into words. The
entities stand in `entities`, their files are read by `catalogue` and checked by `audit`.
"""

from slmlib.tasks.edgejson.generate.composer.instances import Blueprint, Instance, sample
from slmlib.tasks.edgejson.generate.composer.layouts import registers, write
from slmlib.tasks.edgejson.generate.composer.schema_generator import compose, roots

__all__ = ["Blueprint", "Instance", "compose", "registers", "roots", "sample", "write"]
