"""What has been done: artifacts under keys made from their inputs."""
