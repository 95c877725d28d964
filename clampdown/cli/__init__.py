"""The command line: each command is a thin layer over one public function."""
