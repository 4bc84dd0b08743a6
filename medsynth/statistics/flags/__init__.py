"""Which translations to distrust: three numbers per image, and what is usual of them."""
