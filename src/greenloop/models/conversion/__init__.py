"""From what training leaves, Hugging Face folders with safetensors, to the GGUF files that llama.cpp serves.

Architecture: Llama and what calls itself so (SmolLM2). Weights in pickle are refused, no code of a folder is run, and
what cannot be carried over exactly (DoRA, embeddings that were trained, scaled rope) is a named error, never left out.
``merge`` makes one file of two for serving. Absent here: torch, transformers, the home.
"""
