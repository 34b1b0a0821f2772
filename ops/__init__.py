"""Scripts that build, install, check and show the project. Nothing here is part of the installed packages."""
