"""What MONAI configs would execute."""
