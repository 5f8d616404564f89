"""The hand-designed schemas: a module for each domain with its words and a sampler per schema."""
