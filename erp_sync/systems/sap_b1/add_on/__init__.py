"""An optional add-on for the company's database: it posts the keys of what changed. See INSTALL.md beside this."""
