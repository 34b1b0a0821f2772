"""The shell around the core: ports, the sequencer, the feed of committed records."""
