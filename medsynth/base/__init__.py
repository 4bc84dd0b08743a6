"""What every other room stands on: errors, files, seals, options, seeds, progress, stopping, children."""
