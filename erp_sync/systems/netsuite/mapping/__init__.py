"""Which field becomes which, per entity. Names are those of NetSuite's REST API Browser 2026.1."""
