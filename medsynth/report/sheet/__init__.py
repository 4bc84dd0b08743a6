"""The page of `medsynth data check`: a contact sheet, what is unusual, what looks alike, and intensities."""
