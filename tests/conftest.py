"""Nothing but its place: pytest puts its folder on the path, so that tests in every folder can import helpers."""
