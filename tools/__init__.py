"""Development tooling: local servers, a local Kubernetes, images. Nothing here is shipped in the distribution."""
