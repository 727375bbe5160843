"""An independent attacker for the tests: it shares no code with ``sdc.engine`` and never imports it."""
