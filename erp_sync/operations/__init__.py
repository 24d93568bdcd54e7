"""What operators do with an installation, as functions: the command line and the console are thin over them."""
