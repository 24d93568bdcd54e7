"""What a flow may ask of a system: protocols, capabilities, outcomes. No I/O."""
