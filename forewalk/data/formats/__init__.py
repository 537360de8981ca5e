"""Price files as people have them: containers, layouts, headers, numbers and stamps. See docs/data.md."""
