"""Bundles for others: looked through for names, laid out as the Hugging Face hub has them, uploaded."""
