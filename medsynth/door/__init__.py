"""What `medsynth` offers to Python and what its command calls: runs, studies, comparisons, bundles."""
