"""Tests of the grammars that constrain answers."""
