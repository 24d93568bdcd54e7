"""What users of other integrations suffer, each as a short story over the sandboxes."""
