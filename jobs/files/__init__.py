"""Files of jobs: artifacts, uploads, retention."""
