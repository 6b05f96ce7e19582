"""Inference of whole folders, many thousand photographs or volumes: in shards, resumable, here or on Ray Data."""
