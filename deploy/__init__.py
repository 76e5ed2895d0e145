"""What turns the repository into containers: images, entry points, health checks, the environment file."""
