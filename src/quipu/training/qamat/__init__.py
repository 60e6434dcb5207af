"""QAMAT and QAMAT+ (Chen et al. 2023): encoder-decoders that retrieve from a memory and read what they find."""
