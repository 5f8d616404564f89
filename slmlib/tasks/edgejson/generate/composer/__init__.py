"""The composer: new schemas of any tier from typed entities, with records and texts.

`compose` generates a schema, `sample` draws a record of it, `write` puts the record into words. The
entities are in `generate/entities`; `entity_parser` reads their files, `entity_lint` checks them.
"""

from slmlib.tasks.edgejson.generate.composer.instances import Blueprint, Instance, sample
from slmlib.tasks.edgejson.generate.composer.layouts import registers, write
from slmlib.tasks.edgejson.generate.composer.schema_generator import compose, roots

__all__ = ["Blueprint", "Instance", "compose", "registers", "roots", "sample", "write"]
