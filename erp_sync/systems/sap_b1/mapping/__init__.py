"""Which field becomes which, per entity. Names are those of the Service Layer 1.27."""
