//! Kubernetes manifests: YAML or JSON text to objects.
