"""Nothing but its place: pytest puts its folder on the path, so that tests of every room can import the corpus."""
