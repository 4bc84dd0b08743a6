"""A phantom of skull and brain in two modalities, with the truth about every pixel."""
