"""A classifier plugin of one network trained with cross-entropy: its options, its phases, its starting weights."""
