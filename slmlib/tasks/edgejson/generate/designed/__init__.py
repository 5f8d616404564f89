"""What EdgeJSON's cases are about, a module for each domain: its words, and a sampler for each schema."""
