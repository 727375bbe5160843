"""Synthetic inputs with the shape of the real ones, and the published figures they are calibrated on."""
