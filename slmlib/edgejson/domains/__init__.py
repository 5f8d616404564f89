"""What EdgeJSON's cases are about, a module for each domain: its words, and a sampler for each schema.

`times` is no domain; it holds what several of them share.
"""
