"""What can be done to a valid file: each mutator takes its bytes and gives others."""
