"""What the daemons call themselves; the archive's builder writes its own."""

VERSION = "0.0.0"
