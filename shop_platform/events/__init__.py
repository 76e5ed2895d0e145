"""The event contract: what a shop may say to the platform, and in which words."""
