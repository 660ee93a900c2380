"""From a request to a resolved spec, and from a spec to stages with digests and costs. Torch-free."""
