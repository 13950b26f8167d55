"""What is generated in this folder, and how."""
