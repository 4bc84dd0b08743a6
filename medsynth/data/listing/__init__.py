"""Which images there are: from a table, or from folders; their labels, patients and splits."""
